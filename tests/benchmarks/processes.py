"""The measured processes: start, wait until ready, read CPU time and memory, end. Linux only (/proc)."""

import asyncio
import functools
import os
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
SETTINGS_MODULE = "tests.benchmarks.settings"
WEBSOCKET_PATH = "/connection/websocket"

# "channels" is an ordinary Channels application on uvicorn (channels_app.py).
ServerName = Literal["serve", "daphne", "floor", "channels"]

REDIS_PREFIX = "benchmark"

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_READY_WITHIN_SECONDS = 30


class ServerError(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of a process, all threads together.

    The sum is exact; the kernel finds the split by sampling at each tick of its clock.
    """

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __sub__(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.user - earlier.user, self.system - earlier.system)

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user + other.user, self.system + other.system)


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core runs the server and which the load."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        """Take the first and the last core this process may use."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[-1])

    @property
    def are_apart(self) -> bool:
        return self.server != self.load


class Server:
    """A running server process."""

    def __init__(self, name: ServerName, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.port = port
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> Cpu:
        """Return the CPU time used since the process started."""
        # The second field is the program's name in brackets and may hold spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return Cpu(int(fields[11]) / _TICKS_PER_SECOND, int(fields[12]) / _TICKS_PER_SECOND)

    def waited_seconds(self) -> float:
        """Return how long the main thread was ready to run while something else had its core."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def resident_bytes(self) -> int:
        """Return the memory that is in RAM now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def output(self) -> str:
        """Return the end of what the process has printed."""
        return self._log.read_text(errors="replace")[-2000:]

    async def wait_until_ready(self) -> None:
        """Return when the server accepts work; ServerError when it does not."""
        for _ in range(_READY_WITHIN_SECONDS * 20):
            if (code := self._process.poll()) is not None:
                raise ServerError(f"{self.name} ended with {code}. It printed:\n{self.output()}")
            if await self._answers():
                return
            await asyncio.sleep(0.05)
        raise ServerError(
            f"{self.name} was not ready on port {self.port} within {_READY_WITHIN_SECONDS} s. It printed:\n"
            f"{self.output()}"
        )

    def end(self) -> None:
        """Kill the process. Nothing in it is worth a graceful stop."""
        self._process.kill()
        self._process.wait()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            if self.name == "floor":
                return True
            writer.write(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(5):
                return b" 200 " in await reader.readline()
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def redis_environment(url: str) -> Mapping[str, str]:
    """Return what makes a server keep its topics in that Redis; "" for its own memory."""
    return {"REDIS_URL": url, "REDIS_PREFIX": REDIS_PREFIX}


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Give an empty Redis on the load's core; remove it at the end. ServerError where there is no program."""
    server = RedisServer()
    try:
        try:
            server.start()
        except RuntimeError as error:
            raise ServerError(str(error)) from None
        yield server
    finally:
        server.remove()


@asynccontextmanager
async def running(
    name: ServerName,
    *,
    arguments: Sequence[str] = (),
    cores: Cores | None = None,
    environment: Mapping[str, str] | None = None,
    prepare: Sequence[str] = (),
) -> AsyncIterator[Server]:
    """Give a ready server with a database of its own, on the servers' core; kill it at the end.

    `prepare`: arguments of a Python that fills the database first.
    """
    port = _free_port()
    command = [sys.executable, *_COMMANDS[name], *arguments]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        database, log = Path(folder, "db.sqlite3"), Path(folder, "output")
        if name in {"serve", "daphne"}:
            _migrate(database)
        if prepare:
            _finish([sys.executable, *prepare], database, log, environment)
        with only_core(cores):
            process = _start(
                [part.replace("PORT", str(port)) for part in command], database, log, environment
            )
        server = Server(name, port, process, log)
        try:
            await server.wait_until_ready()
            yield server
        finally:
            server.end()


def allow_open_files(count: int) -> None:
    """Raise the limit on open files for this process and those it starts; ServerError if it cannot be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
        except (ValueError, OSError):
            raise ServerError(
                f"The limit on open files is {hard}; {count} are needed. Raise it (ulimit -Hn {count}), "
                "or run with --quick, which opens fewer connections."
            ) from None


_COMMANDS: dict[ServerName, list[str]] = {
    "serve": ["manage.py", "serve", "--host", "127.0.0.1", "--port", "PORT"],
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-p", "PORT", "-v", "0", "project.asgi:application"],
    "floor": ["-m", "tests.benchmarks.floor", "--port", "PORT"],
    "channels": ["-m", "tests.benchmarks.channels_app", "--port", "PORT"],
}


@contextmanager
def only_core(cores: Cores | None) -> Iterator[None]:
    """Let what is started inside inherit the server's core; the load keeps its own."""
    if cores is None:
        yield
        return
    os.sched_setaffinity(0, {cores.server})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {cores.load})


def _start(
    command: Sequence[str], database: Path, log: Path, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "DATABASE_URL": f"sqlite:///{database}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        # Whoever runs the benchmark may have others for their own purposes.
        "WORKERS": "1",
        **redis_environment(""),
        **(extra or {}),
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _migrate(database: Path) -> None:
    database.write_bytes(_migrated_database())


@functools.cache
def _migrated_database() -> bytes:
    """Return the file of an empty database: made once, for all servers of a run.

    Blocks the loop, on which nothing else happens before a server is up.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        database, log = Path(folder, "db.sqlite3"), Path(folder, "output")
        _finish([sys.executable, "manage.py", "migrate", "--verbosity=0"], database, log)
        return database.read_bytes()


def _finish(
    command: Sequence[str], database: Path, log: Path, extra: Mapping[str, str] | None = None
) -> None:
    process = _start(command, database, log, extra)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code:
        printed = log.read_text(errors="replace")[-2000:]
        raise ServerError(f"`{shlex.join(command[1:])}` ended with {code}. It printed:\n{printed}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
