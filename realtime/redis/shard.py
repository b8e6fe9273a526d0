"""One Redis server of a layer, as one event loop uses it: a connection for commands, one for pub/sub."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from channels_redis.utils import create_pool
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import SentinelConnectionPool

from realtime.redis.command_link import CommandLink
from realtime.redis.link import Argument, Callback
from realtime.redis.options import connection_options
from realtime.redis.script import Script
from realtime.redis.subscriber_link import Handler, SubscriberLink

# Ours are asked for as raw bytes, by the older protocol that every server speaks, and time-outs,
# retries and health are the links' own business.
CONNECTION_OPTIONS = {
    "protocol": 2,
    "decode_responses": False,
    "socket_timeout": None,
    "health_check_interval": 0,
}


class Shard:
    """`host` is an entry of channels-redis' `hosts`, decoded: an address, a host and port, or Sentinel.
    The Redis user needs the permission to run INFO beside the layer's commands: see ServerIdentity.

    Both connections begin with their first use.
    """

    def __init__(self, host: Mapping[str, Any], *, name: str) -> None:
        self.name = name
        self._reconnect_callbacks: list[Callback] = []
        self._restored_callbacks: list[Callable[[Collection[str]], None]] = []
        pool: ConnectionPool = create_pool(
            connection_options(host, parse_url=parse_url, own=CONNECTION_OPTIONS)
        )
        self._pool = pool
        self._commands = CommandLink(pool, name=f"{name} commands", on_up=self._note_up)
        self._subscriber = SubscriberLink(
            pool,
            name=f"{name} pub/sub",
            on_up=lambda: self._commands.follow(self._subscriber),
            on_restored=self._note_restored,
        )

    @property
    def is_up(self) -> bool:
        """Whether both connections stand."""
        return self._commands.is_up and self._subscriber.is_up

    @property
    def run_id(self) -> str:
        """Of the server process at the other end; "" while there is none."""
        identity = self._commands.identity
        return "" if identity is None else identity.run_id

    def start(self) -> None:
        """Connects both, if nothing has yet."""
        self._commands.start()
        self._subscriber.start()

    def on_reconnect(self, callback: Callback) -> None:
        """Calls it each time the connection for commands stands, the first time too."""
        self._reconnect_callbacks.append(callback)

    def on_restored(self, callback: Callable[[Collection[str]], None]) -> None:
        """Calls it with the channels that are heard again, and in which messages may have been missed."""
        self._restored_callbacks.append(callback)

    async def call(self, *arguments: Argument) -> Any:
        """One command and its raw answer. Raises LayerUnavailable, and redis' ResponseError.

        Calls go out in the order in which they were made, without waiting for one another.
        """
        self._commands.start()
        return await self._commands.call(*arguments)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """As call(), for a script."""
        self._commands.start()
        return await self._commands.run(script, keys, arguments)

    async def publish(self, channel: str, message: bytes) -> None:
        await self.call("PUBLISH", channel, message)

    async def subscribe(self, channel: str, handler: Handler) -> None:
        """From its return on, `handler` gets every message in `channel`. Raises LayerUnavailable."""
        self._subscriber.start()
        await self._subscriber.subscribe(channel, handler)

    def unsubscribe(self, channel: str) -> None:
        """At once, as far as this process is concerned; never fails."""
        self._subscriber.unsubscribe(channel)

    async def close(self) -> None:
        """Both connections. The next use begins anew."""
        await self._commands.close()
        await self._subscriber.close()
        if isinstance(self._pool, SentinelConnectionPool):
            await self._pool.sentinel_manager.aclose()

    def _note_up(self) -> None:
        # What is published in one server is not heard in another.
        self._subscriber.follow(self._commands)
        for callback in self._reconnect_callbacks:
            callback()

    def _note_restored(self, channels: Collection[str]) -> None:
        for callback in self._restored_callbacks:
            callback(channels)
