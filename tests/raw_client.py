"""A client that speaks the wire protocol by hand: what it sends is what the test wrote, right or wrong."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.tokens import sign

# Far longer than anything takes here, and shorter than a test's own limit: the error names the line.
PATIENCE_SECONDS = 20

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Closed:
    """The close frame that the server sent."""

    code: int | None
    reason: str


class RawClient:
    """One open WebSocket. Messages are read one at a time, in the order in which they came.

    Pings are answered while a reply or a push is waited for, and by nothing else.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        # Pushes that came while a reply was waited for.
        self.pushes: deque[Message] = deque()
        self._lines: deque[str] = deque()
        self._ids = count(1)

    # ── Out ───────────────────────────────────────────────────────────────────────────────────

    async def send(self, *commands: Message) -> None:
        """All in one WebSocket message, one per line."""
        await self.connection.send("\n".join(map(json.dumps, commands)))

    async def call(self, **command: Any) -> Message:
        """Sends one command with a fresh id and returns its reply; pushes before it go to `pushes`."""
        number = next(self._ids)
        await self.send({"id": number, **command})
        return await self.receive_reply(number)

    async def connect(self, **request: Any) -> Message:
        """The connect command, as user 42 where nothing else is said; returns the result."""
        reply = await self.call(connect={"token": sign(sub="42"), **request})
        result: Message = reply["connect"]
        return result

    async def subscribe(self, topic: str, **request: Any) -> Message:
        """Returns the result of a subscribe that must not fail."""
        reply = await self.call(subscribe={"channel": topic, **request})
        result: Message = reply["subscribe"]
        return result

    # ── In ────────────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> Message:
        """The next message, of whatever kind. Raises ConnectionClosed once the server has closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._lines:
                frame = await self.connection.recv()
                assert isinstance(frame, str), "JSON comes in text frames"
                self._lines.extend(frame.split("\n"))
        message = json.loads(self._lines.popleft())
        assert isinstance(message, dict)
        return message

    async def receive_reply(self, number: int) -> Message:
        while (message := await self.receive()).get("id") != number:
            if message:
                self.pushes.append(message["push"])
            else:
                await self.send({})
        return message

    async def receive_push(self) -> Message:
        """The next push."""
        if self.pushes:
            return self.pushes.popleft()
        while not (message := await self.receive()):
            await self.send({})
        push: Message = message["push"]
        return push

    async def receive_close(self) -> Closed:
        """Reads to the end; whole messages that come before are put with the pushes."""
        try:
            while True:
                message = await self.receive()
                if message:
                    self.pushes.append(message.get("push", message))
        except ConnectionClosed as end:
            return Closed(end.rcvd.code, end.rcvd.reason) if end.rcvd else Closed(None, "")


@asynccontextmanager
async def raw_client(url: str, **options: Any) -> AsyncIterator[RawClient]:
    """`options` are those of websockets' `connect`: `origin`, `subprotocols`, `sock` …"""
    options = {
        "compression": None,
        "ping_interval": None,
        "proxy": None,
        "max_size": None,
        # Reads ahead without an end; else a close would wait behind messages that no test reads.
        "max_queue": None,
        **options,
    }
    async with connect(url, **options) as connection:
        yield RawClient(connection)


@asynccontextmanager
async def connected_client(url: str, **request: Any) -> AsyncIterator[RawClient]:
    """A client that has connected, as user 42 where `request` says nothing else."""
    async with raw_client(url) as client:
        await client.connect(**request)
        yield client
