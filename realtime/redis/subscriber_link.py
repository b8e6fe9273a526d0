"""The link for pub/sub: which channels this process hears, and who takes what comes in them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from typing import Any

from redis.asyncio import ConnectionPool

from realtime.errors import LayerUnavailable
from realtime.redis.link import Callback, Link

logger = logging.getLogger(__name__)

Handler = Callable[[bytes], None]


class Subscription:
    """To one channel, until it is given up; whoever takes the channel again gets a new one.

    `is_confirmed`: Redis has said yes to it, on this connection or on one before. `waiting`: how many
    wait for that.
    """

    __slots__ = ("handler", "is_confirmed", "waiting")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.is_confirmed = False
        self.waiting = 0


class SubscriberLink(Link):
    """One handler per channel. After an outage everything is subscribed again, and `on_restored` is
    called with the channels whose messages may have been missed. `on_up` is called each time the
    connection stands, the first time too.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        *,
        name: str,
        on_up: Callback,
        on_restored: Callable[[Collection[str]], None],
    ) -> None:
        super().__init__(pool, name=name)
        self._on_up = on_up
        self._on_restored = on_restored
        self._subscriptions: dict[bytes, Subscription] = {}

    async def subscribe(self, channel: str, handler: Handler) -> None:
        """From its return on, every message in the channel is handed to `handler`, which must not raise.

        Raises LayerUnavailable; nothing is left behind then, unless others wait for the same channel.
        """
        name = channel.encode()
        subscription = self._subscriptions.setdefault(name, Subscription(handler))
        subscription.handler = handler
        if subscription.is_confirmed:
            return
        subscription.waiting += 1
        try:
            # Meanwhile it may be given up, and be begun anew by others.
            await self._request("SUBSCRIBE", name)
            subscription.is_confirmed = True
        finally:
            subscription.waiting -= 1
            is_current = self._subscriptions.get(name) is subscription
            if is_current and not subscription.is_confirmed and not subscription.waiting:
                self.unsubscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """From here on nothing of the channel is handed over; Redis learns of it in its turn."""
        name = channel.encode()
        if self._subscriptions.pop(name, None) is None:
            return
        # Where there is no connection, the next one begins without the channel.
        with contextlib.suppress(LayerUnavailable):
            self._request("UNSUBSCRIBE", name).add_done_callback(_ignore)

    def _came_up(self) -> None:
        self._on_up()
        lost = [name for name, subscription in self._subscriptions.items() if subscription.is_confirmed]
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
        subscription = self._subscriptions.get(answer[1])
        if subscription is None:
            # On its way when the channel was given up.
            return
        try:
            subscription.handler(answer[2])
        except Exception:  # One bad message must not cost all others.
            logger.exception("a message could not be taken", extra={"channel": answer[1].decode()})

    def _went_down(self) -> None:
        self._fail_sent("the connection to Redis was lost")


def _ignore(answer: "asyncio.Future[Any]") -> None:
    # Nobody waits for it; an exception that is never looked at would be logged.
    if not answer.cancelled():
        answer.exception()
