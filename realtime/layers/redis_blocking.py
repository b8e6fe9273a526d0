"""Publishing through the Redis layer without an event loop. It subscribes to nothing."""

from collections.abc import Sequence
from typing import Any

from channels_redis.utils import _consistent_hash, decode_hosts

from realtime.layers.base import HistoryPolicy, Published
from realtime.layers.redis_log import PUBLISH, RedisLog
from realtime.messages import Publication
from realtime.redis.blocking_shard import BlockingShard


class BlockingRedisLayer:
    """Implements BlockingLayer (realtime/layers/base.py)."""

    def __init__(self, hosts: Sequence[Any] | None, *, log: RedisLog) -> None:
        self._log = log
        self._shards = [BlockingShard(host) for host in decode_hosts(hosts)]

    def publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
    ) -> Published:
        keys, arguments = self._log.call_publish(
            topic,
            publication,
            history=history,
            idempotency_key=idempotency_key,
            idempotency_ttl_seconds=idempotency_ttl_seconds,
        )
        shard = self._shards[_consistent_hash(topic, len(self._shards))]
        return self._log.read_published(shard.run(PUBLISH, keys, arguments))

    def close(self) -> None:
        for shard in self._shards:
            shard.close()
