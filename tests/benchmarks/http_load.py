"""HTTP clients that keep their connection and send one request after the other. Not a client library."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from tests.benchmarks.load import LoadError

_LENGTH = b"content-length:"


def request_bytes(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of JSON, ready to be written."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Poster(asyncio.Protocol):
    """Sends its request whenever the last one was answered, while it is `going`. Notes how long each took."""

    def __init__(self, request: bytes) -> None:
        self.seconds: list[float] = []
        self.failure = ""
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._sent_at = 0.0
        self._going = False
        self._idle: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._going:
            self._fail(f"closed in the middle of it: {exc}")

    def start(self) -> None:
        self._going = True
        self._send()

    async def stop(self) -> None:
        """Returns when the last request has been answered. LoadError where one was not answered well."""
        if self._going:
            self._going = False
            self._idle = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._idle, 10)
            except TimeoutError:
                self.failure = self.failure or "a request was not answered in 10 s"
        if self.failure:
            raise LoadError(self.failure)

    def close(self) -> None:
        self._going = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        head, end, body = (self._rest + data).partition(b"\r\n\r\n")
        if not end or len(body) < _length_of(head):
            self._rest = self._rest + data
            return
        self._rest = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(f"not answered well: {head[:60]!r} {body[:200]!r}")
            return
        self.seconds.append(time.monotonic() - self._sent_at)
        if self._going:
            self._send()
        else:
            self._rest_now()

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        if self._transport is not None:
            self._transport.write(self._request)

    def _fail(self, reason: str) -> None:
        self.failure, self._going = self.failure or reason, False
        self._rest_now()

    def _rest_now(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


@asynccontextmanager
async def posters(port: int, request: bytes, count: int) -> AsyncIterator[list[Poster]]:
    """So many, connected; cut at the end."""
    loop = asyncio.get_running_loop()
    clients: list[Poster] = []
    try:
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Poster(request), "127.0.0.1", port)
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def _length_of(head: bytes) -> int:
    start = head.lower().find(_LENGTH)
    if start < 0:
        return 0
    return int(head[start + len(_LENGTH) :].partition(b"\r")[0])
