"""What a figure was taken on: the machine line, the versions and the commit. Reads only, measures nothing."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tests.redis_server import find_program

_PACKAGES = (
    "uvloop",
    "uvicorn",
    "websockets",
    "httptools",
    "msgspec",
    "Django",
    "channels",
    "daphne",
    "redis",
    "hiredis",
    "channels-redis",
    "msgpack",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when a run was made, and of what."""

    machine: str
    taken_at: str
    commit: str
    versions: dict[str, str]

    @classmethod
    def here_and_now(cls, root: Path) -> "Origin":
        """Describe this machine and the project in `root`."""
        return cls(
            machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_commit(root),
            versions={
                "Python": platform.python_version(),
                **{name: _version(name) for name in _PACKAGES},
                "Redis server": _redis_version(),
            },
        )

    def lines(self) -> list[str]:
        """Return the same in words."""
        return [
            f"Machine: {self.machine}",
            f"Taken: {self.taken_at}, commit {self.commit}",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        ]


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _commit(root: Path) -> str:
    """Return the short commit, marked when the code that is measured differs from it."""
    commit = _git(root, "rev-parse", "--short", "HEAD")
    if not commit:
        return "unknown"
    changed = _git(root, "status", "--porcelain", "--", "project", "consumers", "api", "realtime")
    return f"{commit} with changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], check=False, cwd=root, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _redis_version() -> str:
    """Return what the program says of itself: `Valkey server v=9.0.1 sha=…`."""
    try:
        done = subprocess.run(
            [find_program(), "--version"], check=False, capture_output=True, text=True, timeout=10
        )
    except (OSError, RuntimeError, subprocess.TimeoutExpired):
        return "not installed"
    return done.stdout.partition(" sha=")[0].replace(" server v=", " ")
