"""The model test (test_model.py) with a real Redis: its scripts, its pub/sub, its cut connections.

What the model knows must be what Redis knows, so that reads and publications take turns; the events
they cause come when they come, and are held, delivered and dropped as with the other lossy layer.
Redis has no clock that a test could turn: logs do not expire here by themselves.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from realtime.layers.base import History, HistoryPolicy, Published, TopicLayer
from realtime.layers.memory import MemoryTopicLayer
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Position, Publication
from realtime.redis.shard import Shard
from tests.realtime.layers import GatedLayer, LossyLayer, WrappedLayer, settle
from tests.realtime.test_model import (
    STREAM,
    LossyEngine,
    WatchedLayer,
    topics,
)
from tests.redis_server import RedisServer

pytestmark = pytest.mark.timeout(400)

# The answer of a test's own Redis; nothing waits for it unless something is wrong.
ANSWER_TIMEOUT_SECONDS = 10


class CountingLayer(WrappedLayer):
    """Knows whether anybody asked for anything."""

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.calls = 0

    async def _call(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        return await work()


class CutLayer(LossyLayer):
    """Knows when the layer is back."""

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.is_back = asyncio.Event()

    def doubt(self, topics: Iterable[str]) -> None:
        super().doubt(topics)
        self.is_back.set()


class OrderlyLayer(WatchedLayer):
    """Between asking the model and Redis' answer nobody else is asked."""

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self._turn = asyncio.Lock()

    async def publish(self, topic: str, publication: Publication, **options: Any) -> Published:
        async with self._turn:
            return await super().publish(topic, publication, **options)

    async def history(
        self, topic: str, *, policy: HistoryPolicy, since: Position | None = None, **options: Any
    ) -> History:
        async with self._turn:
            return await super().history(topic, policy=policy, since=since, **options)


class RedisEngine(LossyEngine):
    stream = replace(STREAM, history_ttl=3600)

    def __init__(self, url: str) -> None:
        self._prefix = f"model-{uuid.uuid4().hex[:8]}"
        self._redis = RedisTopicLayer(hosts=[url], prefix=self._prefix)
        self._rounds = 0
        super().__init__()

    def now(self) -> float:
        return 0

    def wrap(self, memory: MemoryTopicLayer) -> TopicLayer:
        self._counting = CountingLayer(self._redis)
        self._cut = self.lossy = CutLayer(self._counting)
        return GatedLayer(OrderlyLayer(self.lossy))

    @property
    def _shard(self) -> Shard:
        return self._redis.shards[0]

    async def settle(self) -> None:
        while True:
            await settle()
            calls = self._counting.calls
            await self._hear_all()
            await settle()
            if self._counting.calls == calls:
                return

    async def _hear_all(self) -> None:
        """Both connections keep their order: what was asked and published before this is here after it."""
        self._rounds += 1
        channel = f"{self._prefix}-round-{self._rounds}"
        heard = asyncio.Event()
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            await self._shard.subscribe(channel, lambda _message: heard.set())
            await self._shard.publish(channel, b"")
            await heard.wait()
        self._shard.unsubscribe(channel)

    @rule(topic=topics, harm=st.sampled_from(["it is removed", "all are lost"]))
    def harm_a_log(self, topic: str, harm: str) -> None:
        self.do_harm(topic, harm)

    async def lose_logs(self) -> None:
        keys = await self._shard.call("KEYS", f"{self._prefix}:*")
        if keys:
            await self._shard.call("DEL", *keys)

    def cut_and_restore(self) -> None:
        async def cut() -> None:
            self._cut.is_back.clear()
            # Never without one to kill: the listener stays.
            await self._shard.call("CLIENT", "KILL", "TYPE", "pubsub")
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                await self._cut.is_back.wait()

        self.runner.run(cut())
        self.run(lambda: None)

    def end(self) -> None:
        super().end()
        assert self.runner.run(self._fetch_channels()) == []
        self.runner.run(self._redis.close())

    async def _fetch_channels(self) -> list[bytes]:
        """Of topics that somebody still hears."""
        await self.settle()
        channels: list[bytes] = await self._shard.call("PUBSUB", "CHANNELS", f"{self._prefix}__topic__*")
        return channels


def test_nothing_is_lost_silently_over_redis() -> None:
    with RedisServer() as server:
        run_state_machine_as_test(
            lambda: RedisEngine(server.url),  # type: ignore[arg-type]  # Anything that makes one.
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
