"""Shards whose connections end with the test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from realtime.redis.shard import Shard
from tests.redis_server import RedisServer


@pytest.fixture
async def open_shard() -> AsyncIterator[Callable[..., Shard]]:
    """open_shard(url, …options): a shard in the test's loop."""
    shards: list[Shard] = []

    def open_one(address: str, **options: Any) -> Shard:
        shards.append(Shard({"address": address, **options}, name=f"shard {len(shards)}"))
        return shards[-1]

    yield open_one
    for shard in shards:
        await shard.close()


@pytest.fixture
def server(make_redis: Callable[..., RedisServer]) -> RedisServer:
    """A server that serves this test alone."""
    return make_redis()


@pytest.fixture
async def shard(server: RedisServer, open_shard: Callable[..., Shard]) -> Shard:
    """Connected to `server`."""
    shard = open_shard(server.url)
    await shard.call("PING")
    return shard
