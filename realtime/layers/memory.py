"""The topic layer of one process: logs in memory, events straight to the hub. Not for two processes.

It extends Channels' own in-memory layer, so ordinary consumers in the same project use groups and
channels as ever; their queues are bounded there (`capacity`).
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
from channels.layers import InMemoryChannelLayer

from realtime.layers.base import Event, History, HistoryPolicy, Published, Receiver
from realtime.layers.log import TopicLog
from realtime.messages import Joined, Left, Position, Publication

NOWHERE = Position()

# A look at every log costs about 0.3 µs each: seldom enough not to be felt, often enough that what
# is forgotten stays small beside what is kept.
SWEEP_INTERVAL_SECONDS = 60


class MemoryTopicLayer(InMemoryChannelLayer):
    """Implements TopicLayer (realtime/layers/base.py) for a single process.

    `clock` gives seconds and `new_epoch` a short random text; both are for tests.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        new_epoch: Callable[[], str] = lambda: secrets.token_urlsafe(4),
        **channel_options: Any,
    ) -> None:
        super().__init__(**channel_options)
        self._clock = clock
        self._new_epoch = new_epoch
        self._logs: dict[str, TopicLog] = {}
        self._subscribed: set[str] = set()
        # (topic, key) → when it is forgotten, and the position it got.
        self._repeats: dict[tuple[str, str], tuple[float, Position]] = {}
        self._sweep_at = clock() + SWEEP_INTERVAL_SECONDS
        self._receiver: Receiver | None = None

    # ── TopicLayer ────────────────────────────────────────────────────────────────────────────

    is_shared = False
    is_available = True
    # Another process has another memory; in this one, the loop must do it.
    blocking = None

    def attach(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
    ) -> Published:
        # Nothing here awaits: append and broadcast are one step for every other coroutine.
        now = self._clock()
        if now >= self._sweep_at:
            self.sweep()
        if idempotency_key:
            known = self._repeats.get((topic, idempotency_key))
            if known is not None and known[0] > now:
                return Published(known[1], is_repeat=True)
        position, epoch = NOWHERE, ""
        if history is not None:
            log = self._log_of(topic, now)
            publication = msgspec.structs.replace(publication, offset=log.next_offset)
            log.append(publication, history, now)
            position, epoch = log.top, log.epoch
        if idempotency_key:
            self._repeats[topic, idempotency_key] = (now + idempotency_ttl_seconds, position)
        self._deliver(topic, publication, epoch)
        return Published(position)

    async def broadcast(self, topic: str, event: Joined | Left) -> None:
        self._deliver(topic, event, "")

    async def history(
        self,
        topic: str,
        *,
        policy: HistoryPolicy,
        since: Position | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> History:
        now = self._clock()
        return self._log_of(topic, now).read(policy, now, since=since, limit=limit, reverse=reverse)

    async def remove_history(self, topic: str) -> None:
        if topic in self._logs:
            self._logs[topic].clear()

    async def subscribe(self, topic: str) -> None:
        self._subscribed.add(topic)

    async def unsubscribe(self, topic: str) -> None:
        self._subscribed.discard(topic)

    def sweep(self) -> None:
        """Forgets what nobody can ask for any more: expired publications, idle logs, old keys."""
        now = self._clock()
        self._sweep_at = now + SWEEP_INTERVAL_SECONDS
        for topic, log in list(self._logs.items()):
            if self._is_forgotten(topic, log, now):
                del self._logs[topic]
        for key, (forget_at, _) in list(self._repeats.items()):
            if forget_at <= now:
                del self._repeats[key]

    # ── Channels ──────────────────────────────────────────────────────────────────────────────

    async def flush(self) -> None:
        await super().flush()
        self._logs.clear()
        self._repeats.clear()

    # ── Inside ────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, topic: str, event: Event, epoch: str) -> None:
        if self._receiver is not None and topic in self._subscribed:
            self._receiver.receive(topic, event, epoch)

    def _log_of(self, topic: str, now: float) -> TopicLog:
        log = self._logs.get(topic)
        if log is None or self._is_forgotten(topic, log, now):
            log = self._logs[topic] = TopicLog(self._new_epoch(), now)
        return log

    def _is_forgotten(self, topic: str, log: TopicLog, now: float) -> bool:
        """Never while somebody here follows the topic: they know its position."""
        log.expire(now)
        return topic not in self._subscribed and log.is_forgettable(now)
