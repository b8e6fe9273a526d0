"""uvicorn's protocol with the frames extension, on a transport without a network.

The rest of it (handshake, fragments, large messages) is uvicorn's own, and is met by the tests that
start real servers.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from consumers.frames import TEXT, frame, get_writer
from project.websocket import HIGH_WATER_BYTES, FramesProtocol
from realtime.errors import CloseCode
from tests.consumers.test_frames import parse
from tests.realtime.layers import settle
from tests.waiting import until


class FakeTransport(asyncio.Transport):
    """Takes what is written; says that it is full when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.high_water_bytes: int | None = None
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_water_bytes = high

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_aborted = True

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...


class Listener:
    """Implements FrameListener (consumers/frames.py)."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def abandon(self) -> None:
        self.told.append("abandon")


class Connection:
    """One connection whose application has accepted it and waits."""

    def __init__(self) -> None:
        self.transport, self.listener = FakeTransport(), Listener()
        self.events: list[str] = []
        self.is_lost = False
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            ws=FramesProtocol,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            log_config=None,
        )
        config.load()
        self.protocol = FramesProtocol(config, ServerState(), {})
        self.protocol.connection_made(self.transport)
        client = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        client.send_request(client.connect())
        self.protocol.data_received(b"".join(client.data_to_send()))

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        writer = get_writer(scope)
        assert writer is not None
        self.events.append((await receive())["type"])
        await send({"type": "websocket.accept"})
        writer.listen(self.listener)
        self.events.append((await receive())["type"])

    def lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.protocol.connection_lost(None)

    def frames(self) -> list[Frame]:
        """What was written behind the handshake."""
        return parse(self.transport.written.partition(b"\r\n\r\n")[2])


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    connection = Connection()
    await settle()
    yield connection
    connection.lose()
    await settle()


async def test_ready_frames_go_to_the_transport_as_they_are(connection: Connection) -> None:
    connection.protocol.write(frame(b"one", TEXT) + frame(b"two", TEXT))

    assert [bytes(read.data) for read in connection.frames()] == [b"one", b"two"]
    assert connection.transport.high_water_bytes == HIGH_WATER_BYTES
    assert connection.protocol.get_buffered_bytes() == len(connection.transport.written)


async def test_the_listener_is_told_when_the_client_falls_behind_and_catches_up(
    connection: Connection,
) -> None:
    connection.protocol.pause_writing()
    connection.protocol.resume_writing()

    assert connection.listener.told == ["pause", "resume"]


async def test_closing_sends_a_close_frame_behind_what_was_written(connection: Connection) -> None:
    connection.protocol.write(frame(b"last", TEXT))

    connection.protocol.close(CloseCode.SHUTDOWN)
    connection.protocol.close(CloseCode.CLOSED)
    await settle()

    last, closing = connection.frames()
    assert (bytes(last.data), closing.opcode) == (b"last", Opcode.CLOSE)
    assert Close.parse(bytes(closing.data)) == Close(3001, "shutdown")
    assert connection.events == ["websocket.connect", "websocket.disconnect"]


async def test_a_client_that_does_not_answer_the_close_is_cut_off(connection: Connection) -> None:
    connection.protocol.close_timeout = 0
    connection.protocol.close(CloseCode.SLOW)
    at_once = connection.transport.is_aborted

    await until(lambda: connection.transport.is_aborted)

    assert not at_once


async def test_whoever_listens_is_told_once_that_the_client_is_gone(connection: Connection) -> None:
    connection.lose()
    connection.protocol.pause_writing()
    await settle()

    assert connection.listener.told == ["abandon"]
    assert connection.events == ["websocket.connect", "websocket.disconnect"]


async def test_nothing_is_written_behind_the_close_that_answers_the_clients(connection: Connection) -> None:
    client = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)

    connection.protocol.data_received(client)
    await settle()

    assert connection.listener.told == ["abandon"]
    assert [read.opcode for read in connection.frames()] == [Opcode.CLOSE]


async def test_a_frame_that_breaks_the_protocol_ends_the_connection(connection: Connection) -> None:
    connection.protocol.data_received(Frame(Opcode.TEXT, b"unmasked").serialize(mask=False))
    await settle()

    assert connection.listener.told == ["abandon"]
    [closing] = connection.frames()
    assert Close.parse(bytes(closing.data)).code == 1002
