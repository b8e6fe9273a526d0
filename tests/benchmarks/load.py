"""The load: WebSocket clients that cost far less than the server they drive. Not a client library.

All clients live in the benchmark's own process, on uvloop. A Subscriber reads into one buffer shared by
all of them, steps over the frame headers and counts publications with one search through the bytes; a
Commander sends commands in a closed loop. Frames of another kind, pings and frames cut in two take a
slower way that looks at each line.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import msgspec

from tests.benchmarks.frames import CLOSE, PING, PONG, TEXT, Endpoint, frame_span, masked_frame

PUBLICATION_MARK = b'"pub":'  # In a string inside the data the quotes would be escaped.
_PING_LINE = b"{}"
_PONG = masked_frame(_PING_LINE)
# One read takes whatever a slow moment left in the socket. uvloop reads in 256 KiB at most, too.
_BUFFER = bytearray(256 * 1024)
# Enough that the server never waits for a client to dial, and well below its listen backlog.
_DIALS_AT_ONCE = 64


class LoadError(Exception):
    """The server refused, closed or did not answer: no figure can be made of this."""


@dataclass(slots=True)
class Tally:
    """What the subscribers have received so far."""

    publications: int = 0
    bytes: int = 0
    lost_connections: int = 0
    last_close: str = ""
    _target: int = -1
    _reached: asyncio.Future[None] | None = field(default=None, repr=False)

    def count(self, publications: int) -> None:
        """Add what one read brought."""
        self.publications += publications
        if self.publications >= self._target >= 0:
            self._target = -1
            if self._reached is not None and not self._reached.done():
                self._reached.set_result(None)

    async def reach(self, publications: int, *, within_seconds: float) -> None:
        """Return once so many publications have come; LoadError when they do not come in time."""
        if self.publications >= publications:
            return
        self._reached = asyncio.get_running_loop().create_future()
        self._target = publications
        try:
            await asyncio.wait_for(self._reached, within_seconds)
        except TimeoutError:
            message = f"{self.publications} publications came in {within_seconds} s, expected {publications}"
            raise LoadError(f"{message}. {self.last_close}") from None
        finally:
            self._target = -1


class Connection(asyncio.BufferedProtocol):
    """One WebSocket: upgrades, sends its opening commands, awaits their replies, answers pings."""

    def __init__(self, endpoint: Endpoint, opening: Sequence[bytes], tally: Tally) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request: bytes | None = endpoint.upgrade_request()
        self._opening = opening
        self._awaited = len(opening)
        self._tally = tally
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.send(self._request or b"")

    def send(self, data: bytes) -> None:
        """Write ready bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self._received(bytes(memoryview(_BUFFER)[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.opened.done():
            self._tally.lost_connections += 1
        else:
            self.opened.set_exception(LoadError(f"closed while opening: {exc or self._tally.last_close}"))

    def _received(self, data: bytes) -> None:
        data = self._rest + data
        if self._request is not None:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(f"no upgrade: {head[:120]!r}")
                return
            self._request = None
            self.send(b"".join(map(masked_frame, self._opening)))
        start = 0
        while (span := frame_span(data, start, len(data))) is not None:
            begin, end_of_frame = span
            self._frame(data[start] & 0x0F, data[begin:end_of_frame])
            self._tally.bytes += end_of_frame - start
            start = end_of_frame
        self._rest = data[start:]
        if not self._awaited and not self.opened.done():
            self.opened.set_result(None)

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            publications = 0
            for line in payload.split(b"\n"):
                if line == _PING_LINE:
                    self.send(_PONG)
                elif PUBLICATION_MARK in line:
                    publications += 1
                    self._publication()
                elif line:
                    self._reply(line)
            self._tally.count(publications)
        elif opcode == PING:
            self.send(masked_frame(payload, PONG))
        elif opcode == PONG:
            self._pong()
        elif opcode == CLOSE:
            reason = f"code {int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}"
            self._tally.last_close = f"The server closed with {reason}."
            self.close()

    def _reply(self, line: bytes) -> None:
        """Take a reply, or a push that is no publication."""
        reply = msgspec.json.decode(line)
        if "error" in reply:
            self._fail(f"error reply: {line.decode()}")
        elif "id" in reply and self._awaited:
            self._awaited -= 1

    def _publication(self) -> None:
        """Take a publication, which is counted already."""

    def _pong(self) -> None:
        """Take a WebSocket pong."""

    def _fail(self, message: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(LoadError(message))
        self._tally.last_close = message
        self.close()


class Subscriber(Connection):
    """A client that only counts, as cheaply as Python can."""

    def buffer_updated(self, nbytes: int) -> None:
        if self._awaited or self._rest or not self.opened.done():
            self._received(bytes(memoryview(_BUFFER)[:nbytes]))
            return
        data, start = _BUFFER, 0
        while start < nbytes:
            span = frame_span(data, start, nbytes)
            if data[start] != 0x81 or span is None:
                self._received(bytes(memoryview(data)[:nbytes]))
                return
            start = span[1]
        if data.find(_PING_LINE, 0, nbytes) >= 0:
            self._received(bytes(memoryview(data)[:nbytes]))
            return
        self._tally.bytes += nbytes
        self._tally.count(data.count(PUBLICATION_MARK, 0, nbytes))


class Listener(Connection):
    """A client that notes when each publication came, by the monotonic clock."""

    def __init__(self, endpoint: Endpoint, opening: Sequence[bytes], tally: Tally) -> None:
        super().__init__(endpoint, opening, tally)
        self.arrivals: list[float] = []

    def _publication(self) -> None:
        self.arrivals.append(time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a Commander sends over and over: `%d` in the payload becomes the command's id."""

    payload: bytes
    opcode: int = TEXT

    def frame(self, number: int) -> bytes:
        """Return the frame of the request with this number."""
        payload = self.payload % number if self.opcode == TEXT else self.payload
        return masked_frame(payload, self.opcode)


class Commander(Connection):
    """A client that keeps a fixed number of requests outstanding: a closed loop."""

    def __init__(self, endpoint: Endpoint, opening: Sequence[bytes], tally: Tally) -> None:
        super().__init__(endpoint, opening, tally)
        self.answered = 0
        self.failure = ""
        self._sent = 0
        self._request_now: Request | None = None
        self._sending = False
        self._idle: asyncio.Future[None] | None = None

    def start(self, request: Request, *, window: int) -> None:
        """Begin to send, with `window` requests outstanding from here on."""
        self._request_now, self._sending = request, True
        self.send(b"".join(self._next_frame(request) for _ in range(window)))

    async def stop(self, *, within_seconds: float) -> None:
        """Send no more, and return when the last request has been answered."""
        self._sending = False
        await self._settle(within_seconds)

    async def ask(self, request: Request, *, within_seconds: float) -> None:
        """Send one request and return when it has been answered."""
        self.post(request)
        await self._settle(within_seconds)

    def post(self, request: Request) -> None:
        """Send one request and wait for nothing; stop() does."""
        self._request_now = request
        self.send(self._next_frame(request))

    async def _settle(self, within_seconds: float) -> None:
        if self.answered < self._sent and not self.failure:
            self._idle = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._idle, within_seconds)
            except TimeoutError:
                self.failure = f"{self._sent - self.answered} requests were not answered"
        if self.failure:
            raise LoadError(self.failure)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.answered < self._sent:
            self._broken(f"closed with requests outstanding: {exc or self._tally.last_close}")

    def _reply(self, line: bytes) -> None:
        if self._awaited:
            super()._reply(line)
            return
        reply = msgspec.json.decode(line)
        if "id" not in reply:
            return
        if "error" in reply:
            self._broken(f"error reply: {line.decode()}")
            return
        self._answer()

    def _pong(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.answered += 1
        if self._sending and self._request_now is not None:
            self.send(self._next_frame(self._request_now))
        elif self._idle is not None and self.answered == self._sent and not self._idle.done():
            self._idle.set_result(None)

    def _next_frame(self, request: Request) -> bytes:
        self._sent += 1
        # Opening commands have ids from 1; later ones must not repeat them.
        return request.frame(self._sent + 1000)

    def _broken(self, message: str) -> None:
        self.failure, self._sending = self.failure or message, False
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


class Crowd:
    """Many clients of one server, opened with bounded concurrency and closed together."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.tally = Tally()
        self._endpoint = endpoint
        self._connections: list[Connection] = []

    def __len__(self) -> int:
        return len(self._connections)

    async def add_subscribers(
        self,
        openings: Iterable[Sequence[bytes]],
        *,
        within_seconds: float,
        progress: Callable[[int], None] = lambda count: None,
        endpoint: Endpoint | None = None,
    ) -> None:
        """Open one Subscriber per opening; return when the replies to all opening commands are in."""
        remaining, endpoint = iter(openings), endpoint or self._endpoint

        async def dial() -> None:
            for opening in remaining:
                await self._open(Subscriber(endpoint, opening, self.tally), endpoint)
                progress(len(self._connections))

        try:
            async with asyncio.timeout(within_seconds), asyncio.TaskGroup() as dials:
                for _ in range(_DIALS_AT_ONCE):
                    dials.create_task(dial())
        except TimeoutError:
            raise LoadError(f"{len(self)} connections opened in {within_seconds} s, not all") from None
        except ExceptionGroup as errors:
            # What hit one hit all: the first tells enough.
            raise LoadError(f"connection {len(self) + 1} was not opened: {errors.exceptions[0]}") from errors

    async def add_listener(self, opening: Sequence[bytes], *, endpoint: Endpoint | None = None) -> Listener:
        """Open one Listener, elsewhere if another endpoint is given."""
        endpoint = endpoint or self._endpoint
        listener = Listener(endpoint, opening, self.tally)
        async with asyncio.timeout(10):
            await self._open(listener, endpoint)
        return listener

    async def add_commander(self, opening: Sequence[bytes], *, endpoint: Endpoint | None = None) -> Commander:
        """Open one Commander, elsewhere if another endpoint is given."""
        endpoint = endpoint or self._endpoint
        commander = Commander(endpoint, opening, self.tally)
        async with asyncio.timeout(10):
            await self._open(commander, endpoint)
        return commander

    def check_alive(self) -> None:
        """LoadError when a connection was lost on the way."""
        if self.tally.lost_connections:
            count = self.tally.lost_connections
            raise LoadError(f"{count} of {len(self)} connections were lost. {self.tally.last_close}")

    def close(self) -> None:
        """Cut all connections."""
        for connection in self._connections:
            connection.close()

    async def _open(self, connection: Connection, endpoint: Endpoint) -> None:
        await asyncio.get_running_loop().create_connection(lambda: connection, endpoint.host, endpoint.port)
        await connection.opened
        self._connections.append(connection)


@asynccontextmanager
async def crowd(endpoint: Endpoint) -> AsyncIterator[Crowd]:
    """Give an empty Crowd and close it at the end."""
    clients = Crowd(endpoint)
    try:
        yield clients
    finally:
        clients.close()
