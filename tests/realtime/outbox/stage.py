"""Relays of one process on a real table and a layer that fails when told to, and what clients would see."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec
from django.db import connections, transaction

from realtime.errors import LayerUnavailable
from realtime.layers.base import Event
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import Publication
from realtime.outbox import publish_on_commit
from realtime.outbox.bell import Bell
from realtime.outbox.relay import Listen, Relay
from realtime.outbox.rows import Store
from realtime.outbox.store import DatabaseStore
from realtime.publishing import Publisher
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry
from tests.realtime.layers import WrappedLayer

T = TypeVar("T")

# What no test waits for: it is rung for, or fails.
NEVER_SECONDS = 60


class FaultyLayer(WrappedLayer):
    """`fail(topic)`, where it is set, raises what a publish in that topic shall raise."""

    def __init__(self, inner: MemoryTopicLayer) -> None:
        super().__init__(inner)
        self.fail: Callable[[str], None] | None = None
        self.calls = 0

    async def publish(self, topic: str, *args: Any, **options: Any) -> Any:
        self.calls += 1
        # As over a network: others have their turn between two publications.
        await asyncio.sleep(0)
        if self.fail is not None:
            self.fail(topic)
        return await super().publish(topic, *args, **options)

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        return await work()


class Stage:
    """`received` has what subscribers of news:a, news:b, news:c and plain:a would get, in order."""

    def __init__(self, *, vendor: str) -> None:
        self.vendor = vendor
        self.bell = Bell()
        self.received: list[tuple[str, Any]] = []
        memory = MemoryTopicLayer()
        memory.attach(self)
        memory._subscribed |= {"news:a", "news:b", "news:c", "plain:a"}
        self.layer = FaultyLayer(memory)
        namespaces = NamespaceRegistry()
        namespaces.register(Namespace(name="news", history_size=1_000, history_ttl=60))
        namespaces.register(Namespace(name="plain"))
        self.namespaces = namespaces
        self.publisher = Publisher(
            layer=self.layer, namespaces=namespaces, clock_ms=lambda: 0, max_bytes=1_000
        )
        self._relays: list[Relay] = []

    # Receiver

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        assert isinstance(event, Publication)
        self.received.append((topic, msgspec.json.decode(event.data)))

    def doubt(self, topics: Iterable[str]) -> None:
        raise AssertionError("the memory layer never loses anything")

    def of(self, topic: str) -> list[Any]:
        return [data for each, data in self.received if each == topic]

    def relay(
        self,
        *,
        store: Store | None = None,
        poll_seconds: float = NEVER_SECONDS,
        listen: Listen | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Relay:
        """Not started. It is rung for by ring()."""
        relay = Relay(
            store=store or DatabaseStore(),
            publisher=self.publisher,
            bell=self.bell,
            listen=listen,
            poll_seconds=poll_seconds,
            clock=clock,
            monotonic=time.monotonic,
            rng=random.Random(0),  # noqa: S311  # It spreads timers.
        )
        self._relays.append(relay)
        return relay

    def start_relay(self, **options: Any) -> Relay:
        relay = self.relay(**options)
        relay.start()
        return relay

    async def write(self, *rows: tuple[str, Any]) -> None:
        """In one transaction, in a thread; then rings, as a commit does."""
        await in_thread(write, *rows)
        self.bell.ring()

    async def close(self) -> None:
        for relay in self._relays:
            await relay.stop()


def write(*rows: tuple[str, Any]) -> None:
    with transaction.atomic():
        for topic, data in rows:
            publish_on_commit(topic, data)


async def in_thread(call: Callable[..., T], *args: Any, **options: Any) -> T:
    """With a database connection of its own, which ends with the call."""

    def run() -> T:
        try:
            return call(*args, **options)
        finally:
            connections["default"].close()

    return await asyncio.to_thread(run)


def layer_is_away(_topic: str) -> None:
    raise LayerUnavailable("as the test wants it")
