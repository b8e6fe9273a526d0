"""Presence of many processes: each one's members in Redis, under a lease that dies with the process."""

import asyncio
import itertools

from realtime.errors import LayerUnavailable
from realtime.layers.envelope import Envelope
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import ClientInfo, Left
from realtime.presence.base import PresenceStats
from realtime.presence.ledger import Ledger, Member, left_message
from realtime.redis.shard import Shard


class RedisPresence:
    """Implements Presence (realtime/presence/base.py) beside the logs of `layer`. How: see Ledger.

    `process_id` must be another one for each process, and each start of one. `lease_seconds`: how long
    after a process was killed its members are gone at the latest.
    """

    def __init__(self, layer: RedisTopicLayer, *, process_id: str, lease_seconds: float) -> None:
        self._layer = layer
        self._envelope = Envelope(layer.serializer)
        self._lease_seconds = lease_seconds
        numbers = itertools.count(1)
        # Of one length, so that they sort as texts.
        self._new_lease = lambda: f"{process_id}:{next(numbers):012}"
        self._ledgers: dict[Shard, Ledger] = {}

    def __len__(self) -> int:
        """Members of this process."""
        return sum(len(ledger) for ledger in self._ledgers.values())

    def start(self) -> None:
        self._ledgers = {
            shard: Ledger(
                shard,
                prefix=self._layer.prefix,
                envelope=self._envelope,
                topic_channel=self._layer.topic_channel,
                new_lease=self._new_lease,
                lease_seconds=self._lease_seconds,
            )
            for shard in self._layer.shards
        }
        for ledger in self._ledgers.values():
            ledger.start()

    async def close(self) -> None:
        ledgers, self._ledgers = self._ledgers, {}
        await asyncio.gather(*(ledger.close() for ledger in ledgers.values()))

    async def add(
        self, topic: str, info: ClientInfo, *, is_listed: bool = True, is_announced: bool = False
    ) -> None:
        member = Member(info, is_listed, is_announced)
        ledger = self._ledgers.get(self._layer.shard_of(topic))
        if ledger is None:
            raise LayerUnavailable("presence has not started, or was closed")
        await ledger.put((topic, info.client), member)

    async def remove(self, topic: str, client: str) -> None:
        ledger = self._ledgers.get(self._layer.shard_of(topic))
        # Otherwise it was closed, and all members with it.
        if ledger is not None:
            await ledger.drop((topic, client))

    async def members(self, topic: str) -> dict[str, ClientInfo]:
        values = await self._layer.shard_of(topic).call("HVALS", self._layer.key(topic, "members"))
        infos = [self._info(value) for value in values]
        return {info.client: info for info in infos}

    async def stats(self, topic: str) -> PresenceStats:
        shard = self._layer.shard_of(topic)
        # Both go out together, with nothing of this process between them.
        clients, users = await asyncio.gather(
            *(shard.call("HLEN", self._layer.key(topic, kind)) for kind in ("members", "users"))
        )
        return PresenceStats(clients=clients, users=users)

    def _info(self, value: bytes) -> ClientInfo:
        event, _ = self._envelope.decode(left_message(value))
        if not isinstance(event, Left):
            raise TypeError(f"a member's value holds {type(event).__name__}, expected Left")
        return event.info
