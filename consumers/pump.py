"""Carries ASGI events into a Session and its messages out again: the only task of a connection.

Commands wait in a bounded queue and are handled one after the other by a worker, which lives only
while there is something to do; RPC calls run beside it, a bounded number of them. So a slow hook
holds up its own client's commands, but neither the pongs that prove the client alive nor anybody
else.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from consumers.codec import WireCodec
from consumers.frames import get_writer
from consumers.outlets import DirectOutlet, QueuedOutlet
from realtime.errors import CloseCode, Disconnect
from realtime.messages import Command, Reply
from realtime.node import Node
from realtime.session import PING, Session

logger = logging.getLogger(__name__)

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
Job: TypeAlias = Callable[[], Awaitable[None]]

PONG = Command()


class Pump:
    """Implements the session's Connection. `run()` returns when the client is gone and all is cleaned up."""

    def __init__(
        self,
        *,
        node: Node,
        codec: WireCodec,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        login_key: str = "",
    ) -> None:
        self.codec = codec
        self._limits = node.limits
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        # These exist only while there is something in them: most connections are idle most of the
        # time, and an empty deque takes 0.8 KB.
        self._jobs: deque[Command | Job] | None = None
        self._room: asyncio.Future[None] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._rpcs: set[asyncio.Task[None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf
        self._is_closed = False
        self._outlet = self._make_outlet(scope)
        # The hub's hot path: the outlet's own methods, with no call between.
        self.write = self._outlet.write
        self.write_latest = self._outlet.write_latest
        self._session = Session(node=node, connection=self, login_key=login_key)

    def _make_outlet(self, scope: dict[str, Any]) -> DirectOutlet | QueuedOutlet:
        limits = self._limits
        writer = get_writer(scope)
        if writer is not None:
            return DirectOutlet(
                writer=writer, codec=self.codec, max_bytes=limits.slow_client_bytes, on_slow=self._end_slow
            )
        return QueuedOutlet(
            send=self._send,
            codec=self.codec,
            max_bytes=limits.slow_client_bytes,
            # Without pongs nobody could acknowledge anything.
            window_bytes=limits.slow_client_bytes // 2 if limits.pong_timeout_seconds > 0 else 0,
            ping=self.codec.encode_reply(PING),
            on_slow=self._end_slow,
        )

    async def run(self, subprotocol: str | None) -> None:
        event = await self._receive()
        if event["type"] != "websocket.connect":
            return
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
        self._session.open()
        self._set_timer()
        try:
            while (event := await self._receive())["type"] != "websocket.disconnect":
                await self._take(event)
        finally:
            await self._finish()

    async def _take(self, event: dict[str, Any]) -> None:
        message = event.get("text")
        if message is None:
            message = event.get("bytes") or b""
        if self._is_closed:
            return
        try:
            # Servers that limit it themselves have closed with 1009 before.
            if _is_longer(message, self._limits.max_message_bytes):
                raise Disconnect(CloseCode.MESSAGE_TOO_BIG, "a message over the limit")
            commands = self.codec.decode(message)
        except Disconnect as error:
            logger.info("client misbehaved: %s", error)
            self._session.disconnect(error.code)
            return
        for command in commands:
            if command == PONG:
                self._session.pong()
                self._outlet.acknowledge()
                continue
            self._add(command)
            # Backpressure: the socket is not read while too many commands wait.
            while self._jobs is not None and len(self._jobs) >= self._limits.max_waiting_commands:
                self._room = self._loop.create_future()
                await self._room

    # ── Connection, for the session and the hub ───────────────────────────────────────────────

    def send(self, reply: Reply) -> None:
        if not self._is_closed:
            self._outlet.send(self.codec.encode_reply(reply))

    def close(self, code: CloseCode) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._outlet.close(code)

    def submit(self, job: Job) -> None:
        if not self._is_closed:
            self._add(job)

    # ── Work ──────────────────────────────────────────────────────────────────────────────────

    def _add(self, job: Command | Job) -> None:
        if self._jobs is None:
            self._jobs = deque()
            self._worker = self._loop.create_task(self._work(self._jobs))
        self._jobs.append(job)

    async def _work(self, jobs: deque[Command | Job]) -> None:
        try:
            while jobs:
                # One reply may be large; the next is not made before the client has taken it.
                if self._outlet.is_congested:
                    await self._outlet.wait_until_drained()
                job = jobs.popleft()
                self._make_room()
                await self._do(job)
        finally:
            self._jobs = self._worker = None
            self._make_room()
            self._set_timer()

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _do(self, job: Command | Job) -> None:
        if not isinstance(job, Command):
            try:
                await job()
            except Exception:  # A layer that is away must not end the worker.
                logger.exception("a server's action on a session failed")
            return
        if job.rpc is None:
            await self._session.handle(job)
            return
        if self._rpcs is None:
            self._rpcs = set()
        while len(self._rpcs) >= self._limits.max_concurrent_rpcs:
            await asyncio.wait(self._rpcs, return_when=asyncio.FIRST_COMPLETED)
        call = self._loop.create_task(self._session.handle(job))
        self._rpcs.add(call)
        call.add_done_callback(self._rpcs.discard)

    async def _finish(self) -> None:
        """Commands that had arrived are carried out; then the session leaves its topics."""
        self._is_closed = True
        self._outlet.abandon()
        if self._timer is not None:
            self._timer.cancel()
        try:
            while under_way := self._under_way():
                await asyncio.wait(under_way)
        except asyncio.CancelledError:
            # The server waits no longer.
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)
            raise
        finally:
            await self._session.close()

    def _under_way(self) -> set[asyncio.Task[None]]:
        return (self._rpcs or set()) | ({self._worker} if self._worker else set())

    def _end_slow(self) -> None:
        logger.info("client is slow", extra={"client": self._session.caller.client})
        self._session.disconnect(CloseCode.SLOW)

    # ── Time ──────────────────────────────────────────────────────────────────────────────────

    def _set_timer(self) -> None:
        deadline = None if self._is_closed else self._session.next_deadline
        # Waking too early is harmless, and cheaper than a new timer for every deadline that moves on.
        if deadline is None or deadline >= self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = deadline
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._wakes_at = math.inf
        self._session.tick()
        self._set_timer()


def _is_longer(message: bytes | str, most_bytes: int) -> bool:
    if isinstance(message, bytes):
        return len(message) > most_bytes
    # No character takes more than four bytes in UTF-8, so that most texts need no counting.
    return len(message) * 4 > most_bytes and len(message.encode()) > most_bytes


async def refuse(
    scope: dict[str, Any], receive: Receive, send: Send, *, status: int, headers: Headers = ()
) -> None:
    """Answers the handshake with an HTTP status; with 403 where the server knows no other."""
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": "websocket.http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "websocket.http.response.body", "body": b""})
    else:
        await send({"type": "websocket.close"})
