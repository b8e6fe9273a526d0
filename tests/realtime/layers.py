"""Layers between an engine and its memory layer: one that fails when told to, one waits, one loses."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from realtime.layers.base import BlockingLayer, Event, History, HistoryPolicy, Published, Receiver, TopicLayer
from realtime.messages import Joined, Left, Position, Publication

T = TypeVar("T")


class LayerAway(Exception):
    """What a layer raises when it cannot be reached."""


class WrappedLayer:
    """Implements TopicLayer on another one. Every call goes through `_call`."""

    def __init__(self, inner: TopicLayer) -> None:
        self._inner = inner

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        raise NotImplementedError

    @property
    def is_shared(self) -> bool:
        return self._inner.is_shared

    @property
    def is_available(self) -> bool:
        return self._inner.is_available

    @property
    def blocking(self) -> BlockingLayer | None:
        return self._inner.blocking

    def attach(self, receiver: Receiver) -> None:
        self._inner.attach(receiver)

    async def publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
    ) -> Published:
        return await self._call(
            "publish",
            lambda: self._inner.publish(
                topic,
                publication,
                history=history,
                idempotency_key=idempotency_key,
                idempotency_ttl_seconds=idempotency_ttl_seconds,
            ),
        )

    async def broadcast(self, topic: str, event: Joined | Left) -> None:
        await self._call("broadcast", lambda: self._inner.broadcast(topic, event))

    async def history(
        self,
        topic: str,
        *,
        policy: HistoryPolicy,
        since: Position | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> History:
        return await self._call(
            "history",
            lambda: self._inner.history(topic, policy=policy, since=since, limit=limit, reverse=reverse),
        )

    async def remove_history(self, topic: str) -> None:
        await self._call("remove_history", lambda: self._inner.remove_history(topic))

    async def subscribe(self, topic: str) -> None:
        await self._call("subscribe", lambda: self._inner.subscribe(topic))

    async def unsubscribe(self, topic: str) -> None:
        await self._call("unsubscribe", lambda: self._inner.unsubscribe(topic))

    async def close(self) -> None:
        await self._inner.close()


class FailingLayer(WrappedLayer):
    """Raises LayerAway from the methods in `failing`."""

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.failing: set[str] = set()

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        if name in self.failing:
            raise LayerAway(name)
        return await work()


class GatedLayer(WrappedLayer):
    """Holds the methods in `gated` until the test lets them go on, in whatever order.

    Each stops twice: before it does its work and after, so that anything may come between.
    """

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.gated: set[str] = set()
        self.gates: list[asyncio.Future[None]] = []

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        await self._wait(name)
        result = await work()
        await self._wait(name)
        return result

    async def _wait(self, name: str) -> None:
        if name in self.gated:
            gate = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            await gate

    def open(self, number: int = 0) -> None:
        """Lets one of those that wait go on, unless it was cancelled."""
        gate = self.gates.pop(number)
        if not gate.done():
            gate.set_result(None)

    def open_all(self) -> None:
        """Lets all go on, and holds nothing any more."""
        self.gated = set()
        while self.gates:
            self.open()


class LossyLayer(WrappedLayer):
    """As pub/sub beside a log: events may be late or lost on their way, never out of order.

    While `holds`, events wait, by topic, until they are delivered or dropped.
    """

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.holds = False
        self.held: dict[str, deque[tuple[Event, str]]] = {}
        self._receiver: Receiver | None = None

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        return await work()

    def attach(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._inner.attach(self)

    async def unsubscribe(self, topic: str) -> None:
        await super().unsubscribe(topic)
        self.held.pop(topic, None)

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        assert self._receiver is not None
        if self.holds or topic in self.held:
            self.held.setdefault(topic, deque()).append((event, epoch))
        else:
            self._receiver.receive(topic, event, epoch)

    def doubt(self, topics: Iterable[str]) -> None:
        assert self._receiver is not None
        self._receiver.doubt(topics)

    def deliver(self, topic: str, count: int | None = None) -> None:
        """The oldest of those that wait, or all."""
        assert self._receiver is not None
        held = self.held.get(topic, deque())
        for _ in range(len(held) if count is None else min(count, len(held))):
            self._receiver.receive(topic, *held.popleft())
        if not held:
            self.held.pop(topic, None)

    def drop(self, topic: str, count: int | None = None) -> None:
        """The oldest of those that wait, or all, are lost."""
        held = self.held.get(topic, deque())
        for _ in range(len(held) if count is None else min(count, len(held))):
            held.popleft()
        if not held:
            self.held.pop(topic, None)


async def settle() -> None:
    """Returns when every task that can go on without the test has done so."""
    # A task that was just woken may wake another; none here goes more than a few calls deep.
    for _ in range(20):
        await asyncio.sleep(0)
