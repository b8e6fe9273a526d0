"""The way out of one connection: what is sent leaves in order, and what piles up is bounded.

Two outlets with one behaviour: DirectOutlet writes ready frames to the socket, where the server
lets it (see frames.py); QueuedOutlet awaits the ASGI `send` of any other server.

A client that reads more slowly than its topics publish is *slow*: once more than `max_bytes` wait
for it, `on_slow` is called, once. For topics that conflate, only the newest batch waits. Replies
never make a client slow: the pump takes no further command while the way out is congested, so that
at most one of them waits.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from consumers.codec import WireCodec
from consumers.frames import FrameWriter
from realtime.codec import Batch
from realtime.errors import CloseCode
from realtime.messages import Disconnected, Push

logger = logging.getLogger(__name__)

# Where no transport says that it is full, a client with this much waiting gets no further command
# answered until it has read some of it.
CONGESTED_BYTES = 65_536
# How much of what waits is put into one WebSocket message: enough to pay for the server's cost per
# message, and well below the 1 MiB that some clients take at most.
CHUNK_BYTES = 32_768


class DirectOutlet:
    """Writes frames to the socket in the same tick; the transport's buffer is the only queue."""

    __slots__ = (
        "_allowance",
        "_codec",
        "_drained",
        "_is_closed",
        "_is_direct",
        "_is_paused",
        "_latest",
        "_loop",
        "_max_bytes",
        "_messages",
        "_on_slow",
        "_put",
        "_verdict_is_due",
        "_writer",
    )

    def __init__(
        self, *, writer: FrameWriter, codec: WireCodec, max_bytes: int, on_slow: Callable[[], None]
    ) -> None:
        self._writer = writer
        self._put = writer.write
        self._codec = codec
        self._loop = asyncio.get_running_loop()
        self._max_bytes = max_bytes
        self._on_slow = on_slow
        # Replies and pushes of this tick: they leave in one frame.
        self._messages: list[bytes] = []
        self._latest: dict[str, Batch] = {}
        self._is_closed = False
        self._is_paused = False
        self._verdict_is_due = False
        # Bytes of replies that may be waiting. However many, the client asked for them: only what is
        # published on top makes it slow.
        self._allowance = 0
        # The one question of the hot path: open, not paused, and nothing waits to go first.
        self._is_direct = True
        self._drained: asyncio.Future[None] | None = None
        writer.listen(self)

    @property
    def is_congested(self) -> bool:
        return self._is_paused and not self._is_closed

    async def wait_until_drained(self) -> None:
        """Returns when the client reads again, or is gone."""
        while self.is_congested:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await self._drained

    def send(self, message: bytes) -> None:
        if self._is_closed:
            return
        if not self._messages:
            self._loop.call_soon(self._flush)
        self._messages.append(message)
        self._is_direct = False

    def write(self, batch: Batch) -> None:
        if self._is_direct:
            self._put(batch.frames)
        elif not self._is_closed:
            # One write for both: each costs a system call.
            replies = self._take_messages()
            self._put(replies + batch.frames)
            self._allow(replies)
            self._settle()
            if self._is_paused:
                self._watch()

    def write_latest(self, topic: str, batch: Batch) -> None:
        if self._is_direct:
            self._put(batch.frames)
        elif not self._is_closed:
            self._flush()
            if self._is_paused:
                self._latest[topic] = batch
            else:
                self._put(batch.frames)

    def close(self, code: CloseCode) -> None:
        if not self._is_closed:
            self._flush()
            self._end()
            self._writer.close(code)

    def abandon(self) -> None:
        """The client is gone: nothing is sent any more."""
        self._messages.clear()
        self._end()

    def acknowledge(self) -> None:
        """Nothing to do: the transport itself says how much the client has taken."""

    # FrameListener

    def pause(self) -> None:
        self._is_paused = True
        self._is_direct = False

    def resume(self) -> None:
        self._is_paused = False
        self._allowance = 0
        self._settle()
        latest, self._latest = self._latest, {}
        for topic, batch in latest.items():
            # May pause again, and then waits again.
            self.write_latest(topic, batch)
        if not self._is_paused:
            self._release()

    def _flush(self) -> None:
        frames = self._take_messages()
        if frames:
            self._put(frames)
            self._allow(frames)
        self._settle()

    def _take_messages(self) -> bytes:
        """The frame of what was sent in this tick; none where nothing was."""
        if not self._messages:
            return b""
        messages, self._messages = self._messages, []
        return self._codec.batch([self._codec.join(messages)]).frames

    def _allow(self, replies: bytes) -> None:
        # Asked after the write, since that itself may be what pauses.
        if self._is_paused:
            self._allowance += len(replies)

    def _settle(self) -> None:
        self._is_direct = not (self._is_closed or self._is_paused or self._messages)

    def _watch(self) -> None:
        """Too much waits? Then look again when the transport has had its chance to write: what one
        tick published may be more than the bound, and the client none the slower for it."""
        if not self._verdict_is_due and self._has_too_much():
            self._verdict_is_due = True
            self._loop.call_soon(self._judge)

    def _judge(self) -> None:
        self._verdict_is_due = False
        if not self._is_closed and self._has_too_much():
            self._on_slow()

    def _has_too_much(self) -> bool:
        return self._writer.get_buffered_bytes() > self._max_bytes + self._allowance

    def _end(self) -> None:
        self._is_closed = True
        self._is_direct = False
        self._latest.clear()
        self._release()

    def _release(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None


class QueuedOutlet:
    """Awaits `send` in a task of its own, which lives only while something waits.

    Some servers (daphne) take whatever they are given, without an end. So no more than a window of
    bytes is handed over before the client has acknowledged it, by answering `ping`: the pump calls
    `acknowledge` then. `window_bytes` 0: no windows.
    """

    def __init__(
        self,
        *,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        codec: WireCodec,
        max_bytes: int,
        window_bytes: int,
        ping: bytes,
        on_slow: Callable[[], None],
    ) -> None:
        self._send = send
        self._codec = codec
        self._max_bytes = max_bytes
        self._window_bytes = window_bytes
        self._ping = ping
        self._on_slow = on_slow
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._latest: dict[str, _Waiting] = {}
        self._queued_bytes = 0
        # As in DirectOutlet.
        self._allowance = 0
        self._unacknowledged_bytes = 0
        self._close_code: CloseCode | None = None
        self._is_closed = False
        self._drainer: asyncio.Task[None] | None = None
        self._acknowledged = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def is_congested(self) -> bool:
        return self._queued_bytes > CONGESTED_BYTES and not self._is_closed

    async def wait_until_drained(self) -> None:
        while self.is_congested:
            self._drained.clear()
            await self._drained.wait()

    def send(self, message: bytes) -> None:
        if not self._is_closed:
            self._append(_Waiting([message]))
            self._allowance += len(message)
            # Newer batches wait behind it: it may be what begins their subscription anew.
            self._latest.clear()

    def write(self, batch: Batch) -> None:
        if not self._is_closed:
            self._append(_Waiting(list(batch.messages)))
            self._judge()

    def write_latest(self, topic: str, batch: Batch) -> None:
        if self._is_closed:
            return
        waiting = self._latest.get(topic)
        if waiting is None:
            self._latest[topic] = waiting = _Waiting([], topic)
            self._append(waiting)
        self._queued_bytes -= waiting.size
        waiting.messages = list(batch.messages)
        self._queued_bytes += waiting.size
        self._judge()

    def close(self, code: CloseCode) -> None:
        if self._is_closed:
            return
        if code is CloseCode.SLOW:
            # It would wait behind what the client does not read.
            self._queue.clear()
            self._unacknowledged_bytes = 0
        self._is_closed = True
        self._close_code = code
        self._acknowledged.set()
        self._drained.set()
        self._start()

    def abandon(self) -> None:
        self._is_closed = True
        self._close_code = None
        self._queue.clear()
        self._acknowledged.set()
        self._drained.set()
        if self._drainer is not None:
            self._drainer.cancel()

    def acknowledge(self) -> None:
        self._unacknowledged_bytes = 0
        self._acknowledged.set()

    def _append(self, waiting: "_Waiting") -> None:
        self._queue.append(waiting)
        self._queued_bytes += waiting.size
        self._start()

    def _judge(self) -> None:
        if self._queued_bytes > self._max_bytes + self._allowance and not self._is_closed:
            self._on_slow()

    def _start(self) -> None:
        if self._drainer is None:
            self._drainer = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            # What this tick adds leaves together.
            await asyncio.sleep(0)
            while self._queue:
                await self._send_message(self._take())
                await self._wait_for_window()
                if not self.is_congested:
                    self._allowance = 0
                    self._drained.set()
            if self._close_code is not None:
                code, self._close_code = _allowed(self._close_code), None
                if not code.reconnects:
                    await self._say_final(code)
                await self._send({"type": "websocket.close", "code": int(code), "reason": code.text})
        except Exception:  # Servers raise what they like when the client is gone.
            logger.debug("send failed: the client is gone", exc_info=True)
            self.abandon()
        finally:
            self._drainer = None
            if self._queue or self._close_code is not None:
                self._start()

    def _take(self) -> list[bytes]:
        """As many of the waiting messages as make one message of moderate size."""
        messages: list[bytes] = []
        size = 0
        while self._queue and (not messages or size + self._queue[0].size <= CHUNK_BYTES):
            waiting = self._queue.popleft()
            if waiting.latest_of is not None and self._latest.get(waiting.latest_of) is waiting:
                del self._latest[waiting.latest_of]
            messages += waiting.messages
            size += waiting.size
        self._queued_bytes -= size
        self._unacknowledged_bytes += size
        return messages

    async def _send_message(self, messages: list[bytes]) -> None:
        joined = self._codec.join(messages)
        if self._codec.is_text:
            await self._send({"type": "websocket.send", "text": joined.decode()})
        else:
            await self._send({"type": "websocket.send", "bytes": joined})

    async def _say_final(self, code: CloseCode) -> None:
        """daphne sends no reasons, and where there is none, the published JavaScript SDK takes no code
        for final: it would come back for ever. This push says the same as the close."""
        push = Push(disconnect=Disconnected(code=int(code), reason=code.text))
        await self._send_message([self._codec.encode_push(push)])

    async def _wait_for_window(self) -> None:
        if not self._window_bytes or self._unacknowledged_bytes < self._window_bytes or self._is_closed:
            return
        self._acknowledged.clear()
        await self._send_message([self._ping])
        await self._acknowledged.wait()


class _Waiting:
    """Messages that go out together. `latest_of`: newer ones of that topic take their place."""

    __slots__ = ("latest_of", "messages")

    def __init__(self, messages: list[bytes], latest_of: str | None = None) -> None:
        self.messages = messages
        self.latest_of = latest_of

    @property
    def size(self) -> int:
        return sum(map(len, self.messages))


def _allowed(code: CloseCode) -> CloseCode:
    """What RFC 6455 (section 7.4) lets an application send; daphne refuses others."""
    return code if code >= 3000 else CloseCode.BAD_REQUEST
