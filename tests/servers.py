"""Real servers for tests: started as a person would, on free loopback ports, ended by their process id."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, get_args

import pytest

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 20

ServerKind = Literal["serve", "daphne"]
# For `pytest.mark.parametrize`: tests that share servers run in one process for each kind of them.
EACH_KIND = [pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in get_args(ServerKind)]


class Server:
    """A server process, and the address where it answers. Use it as a context manager.

    `serve` is `manage.py serve` with the fast path, `daphne` the fallback. `env` comes on top of
    this process' environment. What the server prints is in `log`, its database beside it where
    `env` names no other.
    """

    def __init__(
        self,
        kind: ServerKind = "serve",
        *,
        settings: str = "project.settings.test",
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        log: Path,
    ) -> None:
        self.kind = kind
        self.port = port or find_free_port()
        self.log = log
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": f"sqlite:///{log.with_suffix('.sqlite3')}",
            **(env or {}),
        }
        self._output: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    @property
    def env(self) -> Mapping[str, str]:
        """Of the process: for others that are to work on the same database."""
        return self._env

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() first"
        return self._process.pid

    def start(self) -> Self:
        """Returns when the server is ready. Raises RuntimeError with its output where it is not in time."""
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            self._command(), cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL,
            stdout=self._output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.kind} did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def is_ready(self) -> bool:
        return self.fetch_status("/health/ready") == 200

    def fetch_status(self, path: str) -> int | None:
        """The HTTP status of a GET; None where nobody answers."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=5) as response:  # noqa: S310  # Loopback only.
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def fetch_json(self, path: str) -> Any:
        with urllib.request.urlopen(self.http + path, timeout=30) as response:  # noqa: S310  # Loopback only.
            return json.load(response)

    def get_resident_bytes(self) -> int:
        """How much memory of the machine the process holds now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"process {self.pid} has no VmRSS: it has ended")

    def manage(self, *arguments: str) -> str:
        """Runs a management command with the server's settings and environment; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Until the process has ended by itself; gives its exit code."""
        assert self._process is not None, "start() first"
        return self._process.wait(STOP_TIMEOUT_SECONDS)

    def terminate(self) -> None:
        """Tells it to stop, and does not wait."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """As an operator would: SIGTERM, and no more patience than STOP_TIMEOUT_SECONDS."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._close_log()

    def kill(self) -> None:
        """As the kernel would: no chance to clean up."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close_log()

    def _close_log(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None

    def _command(self) -> list[str]:
        if self.kind == "serve":
            return [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        return [
            sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port),
            "project.asgi:application",
        ]  # fmt: skip

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
