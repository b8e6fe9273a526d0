"""Clients that come, subscribe to new topics, publish and leave, over and over: what do they leave behind?"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.raw_client import RawClient, connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.tokens import sign

SETTINGS = "tests.end_to_end.settings_churn"
NAMESPACES = ("log", "room", "plain")
# A lease for presence and its set live as long as their process; they are renewed, not left behind.
PRESENCE_MARK = ":presence:"


@dataclass(frozen=True, slots=True)
class Held:
    """What servers and Redis hold besides memory."""

    counts: list[dict[str, Any]]
    pubsub_channels: int
    # Without the leases.
    keys: int
    keys_without_end: int


@dataclass(frozen=True, slots=True)
class Memory:
    servers: list[int]
    redis: int

    def __str__(self) -> str:
        servers = ", ".join(f"{size / 2**20:.1f}" for size in self.servers)
        return f"servers {servers} MiB  redis {self.redis / 2**20:.1f} MiB"


class Churn:
    """Over servers that share one Redis."""

    def __init__(self, servers: Sequence[Server], redis: RedisServer) -> None:
        self.servers = servers
        self._redis = redis
        self._numbers = itertools.count()
        self.visits = 0
        self.topics = 0

    async def wave(self, visits: int) -> None:
        """So many clients at once. Returns when all have left."""
        await asyncio.gather(*(self._visit(next(self._numbers)) for _ in range(visits)))
        self.visits += visits
        self.topics += visits * len(NAMESPACES) // 2

    def look(self) -> Held:
        client = self._redis.client()
        held: set[str] = self._redis.keys("*")
        keys = [key for key in held if PRESENCE_MARK not in key]
        endless = [key for key in keys if client.pttl(key) == -1]
        channels: Any = client.pubsub_channels()
        return Held(
            counts=[server.fetch_json("/probe/counts") for server in self.servers],
            pubsub_channels=len(channels),
            keys=len(keys),
            keys_without_end=len(endless),
        )

    def measure(self) -> Memory:
        info: Any = self._redis.client().info("memory")
        return Memory(
            servers=[server.get_resident_bytes() for server in self.servers], redis=int(info["used_memory"])
        )

    async def _visit(self, number: int) -> None:
        # Two clients in a row share their topics, from two servers.
        server = self.servers[number % len(self.servers)]
        topics = [f"{namespace}:{number // 2}" for namespace in NAMESPACES]
        async with connected_client(server.ws, token=sign(sub=f"visitor{number}")) as client:
            for topic in topics:
                await client.subscribe(topic)
                await client.call(publish={"channel": topic, "data": {"n": number}})
            await self._leave(client, topics, number)

    async def _leave(self, client: RawClient, topics: Sequence[str], number: int) -> None:
        match number // 2 % 3:
            case 0:
                for topic in topics:
                    await client.call(unsubscribe={"channel": topic})
            case 1:
                client.connection.transport.abort()
            case _:
                # The socket is closed as it should be, and that is all.
                pass
