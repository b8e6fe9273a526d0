"""A TCP proxy that cuts its connections at random moments, in the middle of whatever passes."""

import asyncio
import random
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536


class CuttingProxy:
    """Stands before a server on a loopback port. Use it as an async context manager.

    Each connection may pass a random number of bytes, both directions counted together, and is cut
    once they have: between two messages or within one, while connecting or while recovering. After
    `cuts` of them it lets everything through. Every other cut is one that the server does not
    notice: its side stays open and is read to nowhere, as when a train enters a tunnel.
    """

    def __init__(self, target_port: int, *, cuts: int, rng: random.Random) -> None:
        self._target_port = target_port
        self._cuts_left = cuts
        self._rng = rng
        self._links: set[asyncio.Task[None]] = set()
        self._all_cut = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None, "enter it first"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    async def wait_for_cuts(self) -> None:
        """Until the last cut is made."""
        await self._all_cut.wait()

    def take_cut(self) -> bool:
        """Whether one more connection is to be cut now."""
        if self._cuts_left == 0:
            return False
        self._cuts_left -= 1
        if self._cuts_left == 0:
            self._all_cut.set()
        return True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            # From within the upgrade's headers to some hundred messages, small numbers as likely as large.
            budget_bytes = int(200 * 2 ** self._rng.uniform(0, 8))
            link = _Link(self, budget_bytes=budget_bytes, is_noticed=self._rng.random() < 0.5)
            await link.run((reader, writer), (server_reader, server_writer))
        except (OSError, asyncio.CancelledError):
            # Either side went away, or the proxy stops: both end this connection alone.
            writer.transport.abort()
        finally:
            self._links.discard(task)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._links):
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()


End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: CuttingProxy, *, budget_bytes: int, is_noticed: bool) -> None:
        self._proxy = proxy
        self._left = budget_bytes
        self._is_noticed = is_noticed
        self._is_cut = False

    async def run(self, client: End, server: End) -> None:
        down = asyncio.create_task(self._pump(server, client, is_down=True))
        up = asyncio.create_task(self._pump(client, server, is_down=False))
        try:
            await asyncio.gather(down, up)
        finally:
            for task in (down, up):
                task.cancel()
            for _, writer in (client, server):
                writer.transport.abort()

    async def _pump(self, source: End, sink: End, *, is_down: bool) -> None:
        reader, _ = source
        _, writer = sink
        while data := await reader.read(CHUNK_BYTES):
            if not self._is_cut:
                passed = self._passed(data)
                writer.write(passed)
                if len(passed) < len(data):
                    self._cut(client=sink if is_down else source, server=source if is_down else sink)
                else:
                    await writer.drain()
        if not self._is_cut:
            writer.close()

    def _passed(self, data: bytes) -> bytes:
        if self._left < len(data) and self._proxy.take_cut():
            return data[: self._left]
        self._left = max(0, self._left - len(data))
        return data

    def _cut(self, *, client: End, server: End) -> None:
        self._is_cut = True
        client[1].transport.abort()
        if self._is_noticed:
            server[1].transport.abort()
