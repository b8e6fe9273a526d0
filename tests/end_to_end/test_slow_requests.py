"""Clients that take their time to ask ("slowloris"), on real sockets: the server ends that."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.raw_client import connected_client
from tests.servers import Server

HEAD_SECONDS = 0.5
BODY_SECONDS = 0.8
ENV = {"REQUEST_HEAD_TIMEOUT": f"{HEAD_SECONDS}", "REQUEST_BODY_TIMEOUT": f"{BODY_SECONDS}"}
SETTINGS = "tests.end_to_end.settings_probe"
# A busy machine, and not a byte more of patience.
SLACK_SECONDS = 5

ASK = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# Far longer than the timeouts, and never done.
SLOW_HEAD = [b"GET / HTTP/1.1\r\n", b"Host: 127.0.0.1\r\n", *[b"X-A: b\r\n"] * 1000]
SLOW_LINES = [b"\r\n"] * 1000
SLOW_UPGRADE = [
    b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    *[b"X-A: b\r\n"] * 1000,
]
SLOW_BODY = [
    b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n",
    b"Content-Length: 1000\r\n\r\n",
    *[b" "] * 999,
]


class Socket:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """One answer, with a length."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        return head + await self._reader.readexactly(int(lines.get(b"content-length", b"0")))

    async def trickle(self, pieces: list[bytes]) -> bytes:
        """Sends a piece every 50 ms until the server hangs up; gives all that it sent."""
        sending = asyncio.create_task(self._trickle(pieces))
        try:
            async with asyncio.timeout(BODY_SECONDS + SLACK_SECONDS):
                return await self._read_all()
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _trickle(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await asyncio.sleep(0.05)

    async def _read_all(self) -> bytes:
        data = b""
        try:
            while piece := await self._reader.read(65_536):
                data += piece
        except ConnectionResetError:
            # What was sent after it had hung up.
            pass
        return data


@pytest.fixture
def server(shared_server: Callable[..., Server]) -> Server:
    return shared_server(settings=SETTINGS, env=ENV)


@asynccontextmanager
async def connect(server: Server) -> AsyncIterator[Socket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Socket(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize("pieces", [SLOW_HEAD, SLOW_LINES, SLOW_UPGRADE, SLOW_BODY])
async def test_a_request_that_does_not_come_in_time_is_ended_with_408(
    server: Server, pieces: list[bytes]
) -> None:
    async with connect(server) as socket:
        assert (await socket.trickle(pieces)).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(server: Server) -> None:
    async with connect(server) as socket:
        assert await socket.trickle([]) == b""


@pytest.mark.parametrize("pieces", [SLOW_HEAD, SLOW_LINES, SLOW_BODY])
async def test_a_later_request_on_the_same_connection_has_no_more_time(
    server: Server, pieces: list[bytes]
) -> None:
    async with connect(server) as socket:
        for _ in range(2):
            await socket.send(ASK)
            assert (await socket.receive()).startswith(b"HTTP/1.1 200 ")

        assert (await socket.trickle(pieces)).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_lives_on_for_as_long_as_it_asks_in_time(server: Server) -> None:
    loop = asyncio.get_running_loop()
    async with connect(server) as socket:
        end = loop.time() + HEAD_SECONDS + BODY_SECONDS + 0.5
        while loop.time() < end:
            await socket.send(ASK[:20])
            await asyncio.sleep(0.1)
            await socket.send(ASK[20:])
            assert (await socket.receive()).startswith(b"HTTP/1.1 200 ")


async def test_a_websocket_is_none_of_its_business(server: Server) -> None:
    async with connected_client(server.ws) as client:
        # Others come and go meanwhile, for longer than a request may take.
        async with connect(server) as socket:
            await socket.trickle(SLOW_BODY)

        assert (await client.call(rpc={"method": "probe.echo", "data": 1}))["rpc"] == {"data": 1}


async def test_many_slow_clients_keep_nobody_else_from_being_served(server: Server) -> None:
    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(_be_slow(server)) for _ in range(200)]
        async with connect(server) as socket:
            await socket.send(ASK)
            answer = await socket.receive()

    assert json.loads(answer.partition(b"\r\n\r\n")[2]) is not None
    assert all(task.result().startswith(b"HTTP/1.1 408 ") for task in slow)


async def _be_slow(server: Server) -> bytes:
    async with connect(server) as socket:
        return await socket.trickle(SLOW_HEAD)
