"""The link for pub/sub: which channels this process hears, and who takes what comes in them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from typing import Any

from redis.asyncio import ConnectionPool

from realtime.errors import LayerUnavailable
from realtime.redis.link import Link

logger = logging.getLogger(__name__)

Handler = Callable[[bytes], None]


class SubscriberLink(Link):
    """One handler per channel. After an outage everything is subscribed again, and `on_restored` is
    called with the channels whose messages may have been missed.
    """

    def __init__(
        self, pool: ConnectionPool, *, name: str, on_restored: Callable[[Collection[str]], None]
    ) -> None:
        super().__init__(pool, name=name)
        self._on_restored = on_restored
        self._handlers: dict[bytes, Handler] = {}
        # What Redis has said yes to, on this connection or on one before it.
        self._confirmed: set[bytes] = set()

    async def subscribe(self, channel: str, handler: Handler) -> None:
        """From its return on, every message in the channel is handed to `handler`, which must not raise.

        Raises LayerUnavailable; nothing is left behind then.
        """
        name = channel.encode()
        self._handlers[name] = handler
        if name in self._confirmed:
            return
        try:
            await self._request("SUBSCRIBE", name)
        except BaseException:
            if name not in self._confirmed:
                self.unsubscribe(channel)
            raise
        # Unless it was given up meanwhile.
        if name in self._handlers:
            self._confirmed.add(name)

    def unsubscribe(self, channel: str) -> None:
        """From here on nothing of the channel is handed over; Redis learns of it in its turn."""
        name = channel.encode()
        self._confirmed.discard(name)
        if self._handlers.pop(name, None) is None:
            return
        # Where there is no connection, the next one begins without the channel.
        with contextlib.suppress(LayerUnavailable):
            self._request("UNSUBSCRIBE", name).add_done_callback(_ignore)

    def _came_up(self) -> None:
        lost = [name for name in self._handlers if name in self._confirmed]
        if not lost:
            return
        # Before what waits: that may be about the same channels, and has the last word.
        waiting = list(self._unsent)
        self._unsent.clear()
        restoring = [self._enqueue("SUBSCRIBE", name) for name in lost]
        self._unsent.extend(waiting)
        for each in restoring[:-1]:
            each.add_done_callback(_ignore)
        channels = [name.decode() for name in lost]
        # Answers come in order: with the last one all are there.
        restoring[-1].add_done_callback(lambda last: self._note_restored(last, channels))

    def _note_restored(self, last: "asyncio.Future[Any]", channels: Collection[str]) -> None:
        # Otherwise the connection broke again, and the next one restores them.
        if not last.cancelled() and last.exception() is None:
            self._on_restored(channels)

    def _take(self, answer: Any) -> None:
        if not isinstance(answer, list) or answer[0] != b"message":
            self._answer_next(answer)
            return
        handler = self._handlers.get(answer[1])
        if handler is None:
            # On its way when the channel was given up.
            return
        try:
            handler(answer[2])
        except Exception:  # One bad message must not cost all others.
            logger.exception("a message could not be taken", extra={"channel": answer[1].decode()})

    def _went_down(self) -> None:
        self._fail_sent("the connection to Redis was lost")


def _ignore(answer: "asyncio.Future[Any]") -> None:
    # Nobody waits for it; an exception that is never looked at would be logged.
    if not answer.cancelled():
        answer.exception()
