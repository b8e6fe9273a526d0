"""The Channels side of the Redis layer in one event loop: channel names, groups, bounded queues.

What channels-redis does is left to it; what it lacks is here: its queues have no bound, and it makes
a connection of its own that loses messages silently.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer
from channels_redis.pubsub import RedisPubSubLoopLayer
from channels_redis.utils import _consistent_hash, decode_hosts

from realtime.redis.shard import Shard

logger = logging.getLogger(__name__)


class LoopChannels(RedisPubSubLoopLayer):  # type: ignore[misc]  # channels-redis has no types.
    """Made by RedisTopicLayer for each loop. `capacity` bounds every channel's queue of messages."""

    def __init__(
        self,
        hosts: Sequence[Any] | None = None,
        capacity: int = 100,
        channel_capacity: dict[Any, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(hosts=None, **options)
        self.shards = [Shard(host, name=f"shard {number}") for number, host in enumerate(decode_hosts(hosts))]
        # What the parent calls on a shard, for ours.
        self._shards = [_ChannelsShard(shard, self.deliver) for shard in self.shards]
        capacities: Any = BaseChannelLayer(capacity=capacity)
        capacities.channel_capacity = capacities.compile_capacities(channel_capacity or {})
        self._capacities: BaseChannelLayer = capacities
        # In the names of the channels made here: what is sent to them from here takes no detour.
        self._mark = uuid.uuid4().hex

    def shard_of(self, name: str) -> Shard:
        number: int = _consistent_hash(name, len(self.shards))
        return self.shards[number]

    async def new_channel(self, prefix: str = "specific.") -> str:
        channel = f"{self.prefix}{prefix}{self._mark}!{uuid.uuid4().hex}"
        await self._subscribe_to_channel(channel)
        return channel

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Raises ChannelFull for a channel of this process; another's drops what it has no room for."""
        if f"{self._mark}!" not in channel:
            await super().send(channel, message)
            return
        queue = self.channels.get(channel)
        if queue is None:
            # Its consumer has ended. A queue made now would have nobody to end it.
            return
        try:
            queue.put_nowait(self.channel_layer.serialize(message))
        except asyncio.QueueFull:
            raise ChannelFull from None

    def deliver(self, name: str, data: bytes) -> None:
        """A message came in a pub/sub channel: to one Channels channel, or to all of a group here."""
        for channel in (name,) if name in self.channels else self.groups.get(name, ()):
            queue = self.channels.get(channel)
            if queue is None:
                continue
            try:
                queue.put_nowait(data)
            except asyncio.QueueFull:
                # Channels promises at most once; its own layers do the same.
                logger.warning("a channel is full, a message was dropped", extra={"channel": channel})

    async def forget(self) -> None:
        """Groups and messages. Topics stay, and channels do: their consumers live on."""
        for queue in self.channels.values():
            while not queue.empty():
                queue.get_nowait()
        for group in self.groups:
            await self._get_shard(group).unsubscribe(group)
        self.groups.clear()

    async def flush(self) -> None:
        """Ends it all. channels-redis calls it when the loop is closed."""
        self.channels.clear()
        self.groups.clear()
        for shard in self.shards:
            await shard.close()

    async def _subscribe_to_channel(self, channel: str) -> None:
        self.channels[channel] = asyncio.Queue(self._capacities.get_capacity(channel))
        try:
            await self._get_shard(channel).subscribe(channel)
        except BaseException:
            self.channels.pop(channel, None)
            raise


class _ChannelsShard:
    """What RedisPubSubLoopLayer needs of a shard."""

    def __init__(self, shard: Shard, deliver: Any) -> None:
        self._shard = shard
        self._deliver = deliver

    async def publish(self, channel: str, message: bytes) -> None:
        await self._shard.publish(channel, message)

    async def subscribe(self, channel: str) -> None:
        await self._shard.subscribe(channel, partial(self._deliver, channel))

    async def unsubscribe(self, channel: str) -> None:
        self._shard.unsubscribe(channel)
