"""The topic layer of many processes: logs and pub/sub in Redis or Valkey. It also is a Channels layer.

A publication with history is one script: append, offset, PUBLISH. Every process that has a
subscriber of the topic hears it once, by one subscription, and can see from its offset whether it
missed one. Connections and what happens when Redis is away: realtime/redis/.
"""

import asyncio
import logging
import re
from collections.abc import Collection, Sequence
from functools import cached_property, partial
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.serializers import registry
from channels_redis.utils import _wrap_close

from realtime.layers.base import History, HistoryPolicy, Published, Receiver
from realtime.layers.envelope import UNPLACED, Envelope
from realtime.layers.redis_blocking import BlockingRedisLayer
from realtime.layers.redis_channels import LoopChannels
from realtime.layers.redis_log import HISTORY, PUBLISH, RedisLog
from realtime.messages import Joined, Left, Position, Publication
from realtime.redis.shard import Shard

logger = logging.getLogger(__name__)

NOWHERE = Position()

# What a prefix may have that Redis' patterns take for more than itself.
_PATTERN_MARKS, _ESCAPED = re.compile(r"[*?\[\]\\]"), r"\\\g<0>"


class RedisTopicLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels-redis has no types.
    """Implements TopicLayer (realtime/layers/base.py) over one or several Redis servers.

    Options are those of channels-redis: `hosts` (addresses, (host, port) pairs or dicts with
    redis-py's options or Sentinel's; several share the topics among them), `prefix`, `capacity`,
    `symmetric_encryption_keys`. A Redis user needs the permission to run INFO beside the commands and
    scripts of the layer: without it nobody would know that a log went back in a restart.
    """

    def __init__(
        self,
        hosts: Sequence[Any] | None = None,
        prefix: str = "asgi",
        capacity: int = 100,
        symmetric_encryption_keys: Sequence[str | bytes] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            hosts=hosts,
            prefix=prefix,
            capacity=capacity,
            symmetric_encryption_keys=symmetric_encryption_keys,
            **options,
        )
        self.prefix = prefix
        self._hosts = hosts
        # Publications are bytes, so that only msgpack will do, whatever groups are sent with.
        self.serializer = registry.get_serializer(
            "msgpack", symmetric_encryption_keys=symmetric_encryption_keys
        )
        self._envelope = Envelope(self.serializer)
        self._log = RedisLog(prefix=prefix, envelope=self._envelope)
        self._receiver: Receiver | None = None

    # ── TopicLayer ────────────────────────────────────────────────────────────────────────────

    is_shared = True

    @property
    def is_available(self) -> bool:
        shards = self.shards
        for shard in shards:
            shard.start()
        return all(shard.is_up for shard in shards)

    @cached_property
    def blocking(self) -> BlockingRedisLayer:
        return BlockingRedisLayer(self._hosts, log=self._log)

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
        shard = self.shard_of(topic)
        if history is None and not idempotency_key:
            body = self._envelope.encode_publication(publication)
            await shard.publish(self._log.channel(topic), UNPLACED + body)
            return Published(NOWHERE)
        keys, arguments = self._log.call_publish(
            topic,
            publication,
            history=history,
            idempotency_key=idempotency_key,
            idempotency_ttl_seconds=idempotency_ttl_seconds,
        )
        return self._log.read_published(await shard.run(PUBLISH, keys, arguments))

    async def broadcast(self, topic: str, event: Joined | Left) -> None:
        await self.shard_of(topic).publish(self._log.channel(topic), self.encode_event(event))

    async def history(
        self,
        topic: str,
        *,
        policy: HistoryPolicy,
        since: Position | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> History:
        keys, arguments = self._log.call_history(
            topic, policy=policy, since=since, limit=limit, reverse=reverse
        )
        answer = await self.shard_of(topic).run(HISTORY, keys, arguments)
        return self._log.read_history(topic, answer, reverse=reverse)

    async def remove_history(self, topic: str) -> None:
        await self.shard_of(topic).call("DEL", self._log.key(topic, "log"))

    async def subscribe(self, topic: str) -> None:
        channel = self._log.channel(topic)
        await self.shard_of(topic).subscribe(channel, partial(self._receive, topic))

    async def unsubscribe(self, topic: str) -> None:
        self.shard_of(topic).unsubscribe(self._log.channel(topic))

    async def close(self) -> None:
        """The running loop's connections; another loop's end with that loop."""
        channels = self._layers.pop(asyncio.get_running_loop(), None)
        if channels is not None:
            await channels.flush()

    # ── For what else is kept beside the logs ─────────────────────────────────────────────────

    @property
    def shards(self) -> Sequence[Shard]:
        """As the running loop uses them."""
        shards: Sequence[Shard] = self._get_layer().shards
        return shards

    def shard_of(self, topic: str) -> Shard:
        shard: Shard = self._get_layer().shard_of(topic)
        return shard

    def key(self, topic: str, kind: str) -> str:
        """A key beside the topic's log, in the same slot."""
        return self._log.key(topic, kind)

    def topic_channel(self, topic: str) -> str:
        """The pub/sub channel of the topic's events."""
        return self._log.channel(topic)

    def encode_event(self, event: Joined | Left) -> bytes:
        """As a message in topic_channel()."""
        return self._envelope.encode_event(event)

    # ── Channels ──────────────────────────────────────────────────────────────────────────────

    async def flush(self) -> None:
        """Deletes everything under the prefix, and forgets groups and waiting messages."""
        channels = self._get_layer()
        await channels.forget()
        for shard in channels.shards:
            await _delete_keys(shard, f"{_PATTERN_MARKS.sub(_ESCAPED, self.prefix)}:*")

    # ── Inside ────────────────────────────────────────────────────────────────────────────────

    def _get_layer(self) -> LoopChannels:
        loop = asyncio.get_running_loop()
        channels: LoopChannels | None = self._layers.get(loop)
        if channels is None:
            channels = LoopChannels(*self._args, **self._kwargs, channel_layer=self)
            self._layers[loop] = channels
            for shard in channels.shards:
                shard.on_restored(self._doubt)
            _wrap_close(self, loop)
        return channels

    def _receive(self, topic: str, message: bytes) -> None:
        event, epoch = self._envelope.decode(message)
        if self._receiver is not None:
            self._receiver.receive(topic, event, epoch)

    def _doubt(self, channels: Collection[str]) -> None:
        mark = self._log.channel("")
        topics = [channel.removeprefix(mark) for channel in channels if channel.startswith(mark)]
        logger.info("pub/sub is back", extra={"topics": len(topics)})
        if self._receiver is not None:
            self._receiver.doubt(topics)


async def _delete_keys(shard: Shard, pattern: str) -> None:
    cursor = b"0"
    while True:
        cursor, keys = await shard.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        if keys:
            await shard.call("UNLINK", *keys)
        if cursor == b"0":
            return
