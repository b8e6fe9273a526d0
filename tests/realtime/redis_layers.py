"""Redis layers for tests: each with a recorder of what it hands over."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.layers.base import HistoryPolicy, Published
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Position, Publication
from realtime.testing.layers import EventRecorder
from tests.redis_server import RedisServer
from tests.waiting import until

LONG = HistoryPolicy(size=10_000, ttl_seconds=600)
# What SDKs wait for a reply; while Redis is away it takes some 3 s, and this machine may be busy.
AWAY_SECONDS = 5


class Recorder(EventRecorder):
    """Keeps each doubt by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.doubts: list[list[str]] = []

    def doubt(self, topics: Iterable[str]) -> None:
        self.doubts.append(list(topics))


class Layer(RedisTopicLayer):
    """A RedisTopicLayer with a recorder, and words for what tests do all the time."""

    def __init__(self, *hosts: Any, **options: Any) -> None:
        super().__init__(hosts=list(hosts), **options)
        self.events = Recorder()
        self.attach(self.events)

    async def say(self, topic: str, data: bytes | str | int, *, key: str = "") -> Position:
        """Publishes into the topic's log; gives the position."""
        return (await self.say_all(topic, data, key=key)).position

    async def say_all(self, topic: str, data: bytes | str | int, *, key: str = "") -> Published:
        text = data if isinstance(data, bytes) else str(data).encode()
        return await self.publish(topic, Publication(data=Raw(text)), history=LONG, idempotency_key=key)

    async def say_again(self, topic: str, data: bytes | str | int, *, key: str = "") -> Published:
        """The same until it works."""
        async with asyncio.timeout(20):
            for _ in itertools.count():
                try:
                    return await self.say_all(topic, data, key=key)
                except LayerUnavailable:
                    await asyncio.sleep(0.01)
        raise AssertionError("unreachable")

    async def begin(self, topic: str) -> Position:
        """Subscribes, and publishes the first into the topic's log; gives its position."""
        await self.subscribe(topic)
        return await self.say(topic, 1)

    async def log_of(self, topic: str) -> list[tuple[int, bytes]]:
        history = await self.history(topic, policy=LONG)
        return [(each.offset, bytes(each.data)) for each in history.publications]

    async def position_of(self, topic: str) -> Position:
        return (await self.history(topic, policy=LONG, limit=0)).top

    async def stand(self) -> "Layer":
        """Returns when it is available."""
        await until(lambda: self.is_available)
        return self

    async def meet(self, server: RedisServer) -> None:
        """Returns when it has noticed that this is another process than before."""
        run_id = server.client().info("server")["run_id"]
        await until(lambda: self.shards[0].run_id == run_id)
        await self.stand()

    async def fall(self) -> None:
        """Returns when it is not."""
        await until(lambda: not self.is_available)


MakeRedis = Callable[..., RedisServer]
MakeLayer = Callable[..., Layer]


def told(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """What was logged, from this level up."""
    return [record.message for record in caplog.records if record.levelno >= level]
