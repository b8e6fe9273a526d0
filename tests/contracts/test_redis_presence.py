"""Presence over Redis keeps the contract, whatever the layer's options."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from realtime.layers.redis import RedisTopicLayer
from realtime.presence.base import Presence
from realtime.presence.redis import RedisPresence
from realtime.testing.presence import PresenceContract
from tests.redis_server import RedisServer


class RedisPresenceContract(PresenceContract):
    """Each test has a prefix, and so a presence, of its own."""

    @pytest.fixture(autouse=True)
    def _use_redis(self, redis_url: str, redis_prefix: str) -> None:
        self.url, self.prefix = redis_url, redis_prefix

    def options(self) -> dict[str, Any]:
        return {"hosts": [self.url]}

    async def make_presence(self) -> Presence:
        self.layer = RedisTopicLayer(**self.options(), prefix=self.prefix)
        return RedisPresence(self.layer, process_id=uuid4().hex, lease_seconds=15)

    async def close_presence(self, presence: Presence) -> None:
        await self.layer.close()


class TestRedisPresence(RedisPresenceContract):
    pass


class TestRedisPresenceWithSymmetricEncryption(RedisPresenceContract):
    def options(self) -> dict[str, Any]:
        return {"hosts": [self.url], "symmetric_encryption_keys": ["a key that nobody else has"]}


class TestRedisPresenceOverTwoShards(RedisPresenceContract):
    @pytest.fixture(autouse=True)
    def _use_two(self, make_redis: Callable[..., RedisServer]) -> Iterator[None]:
        self.servers = [make_redis(), make_redis(password="secret")]
        yield
        # Closed: nothing is left in either.
        assert [server.keys() for server in self.servers] == [set(), set()]

    def options(self) -> dict[str, Any]:
        return {"hosts": [server.url for server in self.servers]}
