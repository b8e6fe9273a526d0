"""The Redis layer keeps the contract of topic layers, whatever its options."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from realtime.layers.redis import RedisTopicLayer
from realtime.testing.layers import KEPT, ContractLayer, TopicLayerContract, publish
from tests.redis_server import RedisServer


class RedisContract(TopicLayerContract):
    """Each test has a prefix, and so a layer, of its own."""

    @pytest.fixture(autouse=True)
    def _use_redis(self, redis_url: str, redis_prefix: str) -> None:
        self.url, self.prefix = redis_url, redis_prefix

    def options(self) -> dict[str, Any]:
        return {"hosts": [self.url]}

    async def make_layer(self, **channel_options: Any) -> ContractLayer:
        layer = RedisTopicLayer(**self.options(), prefix=self.prefix, **channel_options)
        return cast("ContractLayer", layer)

    async def pass_time(self, seconds: float) -> None:
        # Redis has no other clock.
        await asyncio.sleep(seconds)


class TestRedisLayer(RedisContract):
    pass


class TestRedisLayerWithSymmetricEncryption(RedisContract):
    def options(self) -> dict[str, Any]:
        return {"hosts": [self.url], "symmetric_encryption_keys": ["a key that nobody else has"]}


class TestRedisLayerOverTwoShards(RedisContract):
    @pytest.fixture(autouse=True)
    def _use_two(self, make_redis: Callable[..., RedisServer]) -> None:
        self.servers = [make_redis(), make_redis(password="secret")]  # Of a server of this test.

    def options(self) -> dict[str, Any]:
        return {"hosts": [server.url for server in self.servers]}

    async def test_topics_are_shared_among_the_servers(self, layer: ContractLayer) -> None:
        for number in range(20):
            await publish(layer, b"1", topic=f"contract:{number}", history=KEPT)

        held = [len(server.client().keys()) for server in self.servers]

        assert sum(held) == 40
        assert min(held) > 0
