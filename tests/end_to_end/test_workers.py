"""Several workers at one port: nobody is refused while they die, are replaced, or stop."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.errors import CloseCode
from tests.raw_client import Closed, RawClient, connected_client
from tests.servers import ROOT, STOP_TIMEOUT_SECONDS, Server
from tests.waiting import until, wait_until

SETTINGS = "tests.end_to_end.settings_workers"
AT_ONCE = {"REALTIME_SHUTDOWN_DELAY": "0", "REALTIME_SHUTDOWN_SPREAD": "0"}
SHUTDOWN = Closed(CloseCode.SHUTDOWN, "shutdown")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests read /proc")


@pytest.fixture
def start_workers(start_server: Callable[..., Server]) -> Callable[..., Server]:
    """start_workers(count=2, **env): a server with so many workers, all of which listen."""

    def start(count: int = 2, **env: str) -> Server:
        server = start_server(settings=SETTINGS, env={"WORKERS": str(count), **env})
        wait_until(lambda: f"with {count} workers" in server.log.read_text())
        return server

    return start


def workers_of(server: Server) -> set[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; nobody has taken notice yet.
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()


async def fetch_pid(server: Server) -> int:
    """Which process answers, by a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(b"GET /probe/pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return int(json.loads(body)["pid"])
    finally:
        writer.close()


class Stream:
    """The same attempt over and over, as fast as it goes, until `stop`; it keeps what failed."""

    def __init__(self, attempt: Callable[[], Awaitable[object]]) -> None:
        self.count = 0
        self.failures: list[Exception] = []
        self._attempt = attempt
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._attempt()
            except (OSError, AssertionError, ValueError, EOFError) as error:
                self.failures.append(error)
            self.count += 1

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def open_websocket(server: Server) -> None:
    """A handshake that fails is a failure; a server that then says 3001 is none."""
    async with connect(server.ws, proxy=None) as connection:
        client = RawClient(connection)
        try:
            await client.connect()
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != CloseCode.SHUTDOWN:
                raise ConnectionResetError("cut off without 3001") from closed


class ReadinessProbe:
    """Asks /health/ready by one connection for as long as the server keeps it, as load balancers do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._server.port)
        reader, writer = self._streams
        writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        assert json.loads(await reader.readexactly(int(length)))["status"] == "ready"
        if b"connection: close" in head.lower():
            self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


# ── Starting ──────────────────────────────────────────────────────────────────────────────────────


async def test_connections_spread_over_the_workers(start_workers: Callable[..., Server]) -> None:
    server = start_workers(2)

    async with AsyncExitStack() as stack:
        clients: list[RawClient] = []
        # On a busy machine a worker may not get a CPU before all of 100 that come at once are taken.
        for _ in range(10):
            opened = (stack.enter_async_context(connected_client(server.ws)) for _ in range(10))
            clients += await asyncio.gather(*opened)
        replies = await asyncio.gather(*(client.call(rpc={"method": "probe.process"}) for client in clients))
        counts = Counter(reply["rpc"]["data"] for reply in replies)

    assert set(counts) == workers_of(server)
    assert min(counts.values()) >= 30, counts


def test_a_first_start_that_fails_ends_with_the_workers_own_status(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    server = make_server(settings=SETTINGS, env={"WORKERS": "3", "BROKEN_WHILE": str(tmp_path / "broken")})

    with pytest.raises(RuntimeError, match="did not start"):
        server.start()

    assert server.wait() == 7
    log = server.log.read_text()
    # One line of the worker, and one of the supervisor.
    assert log.count("this worker is broken") == 1
    assert "a worker did not start (exit status 7), so the server ends" in log
    assert log.count("\n") == 2, log


# ── Deaths ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_killed_worker_is_followed_by_another_and_nobody_is_refused(
    start_workers: Callable[..., Server],
) -> None:
    server = start_workers(2)
    [victim, survivor] = workers_of(server)
    stream = Stream(lambda: fetch_pid(server))

    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(workers_of(server) - {victim}) == 2)
    [newcomer] = workers_of(server) - {victim, survivor}
    async with asyncio.timeout(20):
        while await fetch_pid(server) != newcomer:
            pass
    await stream.stop()

    assert f"died (pid {victim}, signal SIGKILL)" in server.log.read_text()
    assert not [error for error in stream.failures if isinstance(error, ConnectionRefusedError)]
    # Who talked to the victim in that moment was cut off; nobody else was.
    assert len(stream.failures) <= 1


async def test_workers_stop_gently_when_their_supervisor_is_killed(
    start_workers: Callable[..., Server],
) -> None:
    server = start_workers(2, **AT_ONCE)
    workers = workers_of(server)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected_client(server.ws)) for _ in range(10)]

        os.kill(server.pid, signal.SIGKILL)

        assert {await client.receive_close() for client in clients} == {SHUTDOWN}
        await until(lambda: not any(map(is_alive, workers)))
    assert "Traceback" not in server.log.read_text()


# ── The rolling restart ───────────────────────────────────────────────────────────────────────────


async def test_a_rolling_restart_refuses_and_resets_nobody(start_workers: Callable[..., Server]) -> None:
    server = start_workers(2, REALTIME_SHUTDOWN_DELAY="0.1", REALTIME_SHUTDOWN_SPREAD="0.5")
    old = workers_of(server)
    probe = ReadinessProbe(server)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected_client(server.ws)) for _ in range(10)]
        streams = [
            Stream(lambda: fetch_pid(server)),
            Stream(lambda: fetch_pid(server)),
            Stream(lambda: open_websocket(server)),
            Stream(probe.ask),
        ]
        fewest = 2

        server.signal(signal.SIGHUP)
        while "rolling restart of 2 workers is done" not in server.log.read_text():
            fewest = min(fewest, len(workers_of(server)))
            await asyncio.sleep(0.01)

        for stream in streams:
            await stream.stop()
        probe.close()
        assert [stream.failures for stream in streams] == [[], [], [], []]
        assert all(stream.count > 50 for stream in streams)
        assert {await client.receive_close() for client in clients} == {SHUTDOWN}
    assert fewest == 2
    assert not any(map(is_alive, old))
    assert len(workers_of(server)) == 2
    assert "Traceback" not in server.log.read_text()


async def test_a_rolling_restart_stops_where_a_new_worker_does_not_start(
    start_workers: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_workers(2, BROKEN_WHILE=str(tmp_path / "broken"), **AT_ONCE)
    old = workers_of(server)
    (tmp_path / "broken").touch()

    async with connected_client(server.ws) as client:
        server.signal(signal.SIGHUP)
        await until(lambda: "rolling restart stopped" in server.log.read_text())

        assert "rpc" in await client.call(rpc={"method": "probe.echo", "data": 1})
    assert "(exit status 7). 0 of 2 are replaced" in server.log.read_text()
    assert workers_of(server) == old
    (tmp_path / "broken").unlink()
    server.signal(signal.SIGHUP)
    await until(lambda: "is done" in server.log.read_text())
    assert not workers_of(server) & old


# ── Stopping ──────────────────────────────────────────────────────────────────────────────────────


async def test_sigterm_stops_all_gently(start_workers: Callable[..., Server]) -> None:
    server = start_workers(2, REALTIME_SHUTDOWN_DELAY="1", REALTIME_SHUTDOWN_SPREAD="0.5")
    workers = workers_of(server)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected_client(server.ws)) for _ in range(20)]

        server.signal(signal.SIGTERM)
        # As with one process: load balancers see it before anything is closed.
        await until(lambda: server.fetch_status("/health/ready") == 503)

        assert {await client.receive_close() for client in clients} == {SHUTDOWN}
        assert await asyncio.to_thread(server.wait) == 0
    assert not any(map(is_alive, workers))
    assert "Traceback" not in server.log.read_text()


async def test_a_second_sigint_ends_all_at_once(start_workers: Callable[..., Server]) -> None:
    server = start_workers(2, REALTIME_SHUTDOWN_DELAY="600")
    workers = workers_of(server)
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(connected_client(server.ws))
        server.signal(signal.SIGINT)
        await until(lambda: server.fetch_status("/health/ready") == 503)

        server.signal(signal.SIGINT)

        assert await asyncio.to_thread(server.wait) == 0
    assert not any(map(is_alive, workers))
    assert "Traceback" not in server.log.read_text()


# Gives the standard input to the process that it becomes, as its terminal, and no `nohup` of the tests'.
ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """A server in the foreground of a terminal of its own."""

    def __init__(self, log: Path, port: int, env: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        try:
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", ON_A_TERMINAL, "manage.py", "serve", "--port", str(port)],
                    cwd=ROOT, env=env,
                    stdin=slave, stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
        finally:
            os.close(slave)

    def press_control_c(self) -> None:
        os.write(self._master, b"\x03")

    def close(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


@contextmanager
def on_a_terminal(server: Server, **env: str) -> Iterator[Terminal]:
    """`server` is asked, not started: a server like it runs on a terminal."""
    terminal = Terminal(server.log, server.port, {**server._env, "WORKERS": "2", **env})
    try:
        wait_until(lambda: "with 2 workers" in server.log.read_text())
        yield terminal
    finally:
        terminal.close()
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()


async def test_control_c_in_a_terminal_is_for_the_supervisor_alone(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(settings=SETTINGS)
    env = {"REALTIME_SHUTDOWN_DELAY": "0.5", "REALTIME_SHUTDOWN_SPREAD": "0.2"}
    with on_a_terminal(server, **env) as terminal:
        async with connected_client(server.ws) as client:
            terminal.press_control_c()

            assert await client.receive_close() == SHUTDOWN
            assert await asyncio.to_thread(terminal.process.wait, STOP_TIMEOUT_SECONDS) == 0
    assert "Stopping: clients are told" in server.log.read_text()
    assert "died" not in server.log.read_text()


async def test_a_terminal_that_closes_stops_the_server(make_server: Callable[..., Server]) -> None:
    server = make_server(settings=SETTINGS)
    with on_a_terminal(server, **AT_ONCE) as terminal:
        async with connected_client(server.ws) as client:
            terminal.close()

            assert await client.receive_close() == SHUTDOWN
            assert await asyncio.to_thread(terminal.process.wait, STOP_TIMEOUT_SECONDS) == 0
    assert "rolling" not in server.log.read_text()
