"""Who publishes past the servers, straight into Redis: through a topic layer, or into a Channels group."""

import time
from typing import Any, Protocol

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from realtime.layers.redis import RedisTopicLayer
from realtime.publishing import Publisher
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry
from tests.benchmarks.channels_app import GROUP
from tests.benchmarks.commands import DATA
from tests.benchmarks.processes import REDIS_PREFIX

# More than any run sends: where nobody reads the group's member, none of its messages may be refused.
_ENDLESS = 10_000_000


class Source(Protocol):
    """Belongs to one event loop."""

    async def publish(self) -> None:
        """One publication; returns when Redis has it."""

    async def aclose(self) -> None:
        """Lets go of the connections."""


class TopicSource:
    """Into Switchboard topics, in turn, as the server's own Publisher does: the namespaces of settings.py."""

    def __init__(self, url: str, *topics: str) -> None:
        namespaces = NamespaceRegistry()
        namespaces.register(Namespace(name=""))
        namespaces.register(Namespace(name="log", history_size=100, history_ttl=300, force_recovery=True))
        self._topics = topics
        self._next = 0
        self._layer = RedisTopicLayer(hosts=[url], prefix=REDIS_PREFIX)
        self._publisher = Publisher(
            layer=self._layer,
            namespaces=namespaces,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            max_bytes=65_536,
        )

    async def publish(self) -> None:
        await self._publisher.publish(self._topic(), DATA)

    def publish_blocking(self) -> None:
        """As Runtime.publish_blocking does, without an event loop."""
        prepared = self._publisher.prepare(self._topic(), DATA)
        self._layer.blocking.publish(prepared.topic, prepared.publication, history=prepared.history)

    async def aclose(self) -> None:
        await self._layer.close()
        self._layer.blocking.close()

    def _topic(self) -> str:
        self._next = (self._next + 1) % len(self._topics)
        return self._topics[self._next]


class CoreSource:
    """Into the group, through channels_redis' core layer."""

    def __init__(self, url: str, text: str) -> None:
        self._layer = RedisChannelLayer(hosts=[url], capacity=_ENDLESS)
        self._message = _message(text)

    async def add_member(self) -> None:
        """A member that nobody reads: into an empty group nothing would be sent."""
        await self._layer.group_add(GROUP, await self._layer.new_channel())

    async def publish(self) -> None:
        await self._layer.group_send(GROUP, self._message)

    async def aclose(self) -> None:
        await self._layer.close_pools()


class PubSubSource:
    """Into the group, through channels_redis' pub/sub layer."""

    def __init__(self, url: str, text: str) -> None:
        self._layer: Any = RedisPubSubChannelLayer(hosts=[url])
        self._message = _message(text)

    async def publish(self) -> None:
        await self._layer.group_send(GROUP, self._message)

    async def aclose(self) -> None:
        await self._layer.flush()


def _message(text: str) -> dict[str, Any]:
    return {"type": "publication", "text": text}
