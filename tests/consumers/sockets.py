"""Both kinds of sockets that an outlet can have, without a network: what went out can be read."""

import asyncio
import json
from typing import Any

from websockets.frames import Opcode

from consumers.frames import EXTENSION, FrameListener
from consumers.json_codec import JsonCodec
from realtime.errors import CloseCode
from tests.consumers.test_frames import parse

CODEC = JsonCodec()


class FakeWriter:
    """Implements FrameWriter (consumers/frames.py): a transport whose client reads when told to.

    While it does not, what is written piles up; the listener is told as a transport tells it.
    """

    def __init__(self, *, high_water_bytes: int = 1000) -> None:
        self._high_water_bytes = high_water_bytes
        self._listener: FrameListener | None = None
        self._buffer = b""
        self._is_paused = False
        self.taken = b""
        self.writes: list[bytes] = []
        self.is_reading = True
        self.close_code: CloseCode | None = None

    def listen(self, listener: FrameListener) -> None:
        self._listener = listener

    def write(self, frames: bytes) -> None:
        if self.close_code is not None:
            return
        self.writes.append(frames)
        self._buffer += frames
        if self.is_reading:
            self._take()
        elif len(self._buffer) > self._high_water_bytes and not self._is_paused:
            self._is_paused = True
            assert self._listener is not None
            self._listener.pause()

    def get_buffered_bytes(self) -> int:
        return len(self._buffer)

    def close(self, code: CloseCode) -> None:
        self.close_code = code

    def read_on(self) -> None:
        """The client reads again: all that is buffered, and from now on."""
        self.is_reading = True
        self._take()
        if self._is_paused:
            self._is_paused = False
            assert self._listener is not None
            self._listener.resume()

    def _take(self) -> None:
        self.taken += self._buffer
        self._buffer = b""

    def messages(self) -> list[Any]:
        """Every message that the client has taken, in order."""
        lines = [line for read in parse(self.taken) for line in bytes(read.data).split(b"\n")]
        return [json.loads(line) for line in lines]


class FakeSend:
    """An ASGI `send` that waits while the client does not read, as uvicorn's does."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self.error: Exception | None = None

    async def __call__(self, event: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        await self._may_go_on.wait()
        self.events.append(event)

    def stop_reading(self) -> None:
        self._may_go_on.clear()

    def read_on(self) -> None:
        self._may_go_on.set()

    @property
    def texts(self) -> list[str]:
        return [event["text"] for event in self.events if event["type"] == "websocket.send"]

    def messages(self) -> list[Any]:
        return [json.loads(line) for text in self.texts for line in text.split("\n")]

    @property
    def close_code(self) -> int | None:
        codes = [event["code"] for event in self.events if event["type"] == "websocket.close"]
        assert len(codes) <= 1, "closed twice"
        return codes[0] if codes else None


def scope_with(writer: FakeWriter | None) -> dict[str, Any]:
    return {"type": "websocket", "extensions": {EXTENSION: writer} if writer else {}}


def opcode_of(data: bytes) -> Opcode:
    return parse(data)[0].opcode
