"""An ordinary Channels consumer and Switchboard's topics, on one layer, in the same servers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec import Raw
from websockets.asyncio.client import ClientConnection, connect

from realtime.layers.base import HistoryPolicy
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Publication
from tests.end_to_end.neighbour import GROUP
from tests.raw_client import RawClient, connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import wait_until

SETTINGS = "tests.end_to_end.settings_neighbour"
PREFIX = "side"
TOPIC, POLICY = "news:side", HistoryPolicy(size=100, ttl_seconds=300)
EACH = 10
COUNT = 50


@pytest.fixture
def redis(make_redis: Callable[..., RedisServer]) -> RedisServer:
    return make_redis()


@pytest.fixture
def server(redis: RedisServer, start_server: Callable[..., Server]) -> Server:
    """Two workers. They end before their Redis does."""
    env = {"WORKERS": "2", "REDIS_URL": redis.url, "REDIS_PREFIX": PREFIX}
    server = start_server(settings=SETTINGS, env=env)
    wait_until(lambda: "with 2 workers" in server.log.read_text())
    return server


class Notes:
    """A client of the Channels consumer."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, text: str, *, to: str = "all") -> None:
        await self._connection.send(json.dumps({"text": text, "to": to}))

    async def receive(self) -> str:
        async with asyncio.timeout(20):
            note: str = json.loads(await self._connection.recv())["note"]
        return note


@asynccontextmanager
async def notes(server: Server) -> AsyncIterator[Notes]:
    url = f"ws://127.0.0.1:{server.port}/neighbour/notes"
    async with connect(url, proxy=None) as connection:
        client = Notes(connection)
        # Its own group is joined before it is accepted; its own channel works as well.
        await client.say("hello", to="me")
        assert await client.receive() == "hello"
        yield client


@asynccontextmanager
async def audience(server: Server) -> AsyncIterator[tuple[list[Notes], list[RawClient]]]:
    """Members of the group, and as many subscribers of the topic."""
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(notes(server)) for _ in range(EACH)]
        subscribers = [await stack.enter_async_context(connected_client(server.ws)) for _ in range(EACH)]
        for subscriber in subscribers:
            await subscriber.subscribe(TOPIC)
        yield members, subscribers


@pytest.fixture
async def layer(redis: RedisServer) -> AsyncIterator[RedisTopicLayer]:
    """Another process', which serves nobody."""
    layer = RedisTopicLayer(hosts=[redis.url], prefix=PREFIX)
    yield layer
    await layer.close()


async def test_groups_and_topics_live_side_by_side(
    server: Server, redis: RedisServer, layer: RedisTopicLayer
) -> None:
    async with audience(server) as (members, subscribers):
        for number in range(COUNT):
            await layer.group_send(GROUP, {"type": "note", "text": str(number)})
            data = Raw(b'{"n": %d}' % number)
            await layer.publish(TOPIC, Publication(data=data), history=POLICY)
        # And from one client of each kind, whatever worker it is with.
        await members[0].say("from a member")
        await subscribers[0].call(publish={"channel": TOPIC, "data": {"n": COUNT}})

        for member in members:
            heard = [await member.receive() for _ in range(COUNT + 1)]
            assert heard == [*map(str, range(COUNT)), "from a member"]
        for subscriber in subscribers:
            pushes = [(await subscriber.receive_push())["pub"] for _ in range(COUNT + 1)]
            assert [push["data"]["n"] for push in pushes] == list(range(COUNT + 1))
            assert [push["offset"] for push in pushes] == list(range(1, COUNT + 2))


async def test_both_go_on_after_their_connection_to_redis_was_cut(
    server: Server, redis: RedisServer, layer: RedisTopicLayer
) -> None:
    async with audience(server) as (members, subscribers):
        group = f"{PREFIX}__group__{GROUP}"
        assert listeners(redis, group) == 2

        assert redis.cut_pubsub() == 2
        wait_until(lambda: listeners(redis, group) == 2)
        await layer.group_send(GROUP, {"type": "note", "text": "after"})
        await layer.publish(TOPIC, Publication(data=Raw(b'{"n": 1}')), history=POLICY)

        assert {await member.receive() for member in members} == {"after"}
        pushes = [(await subscriber.receive_push())["pub"]["data"] for subscriber in subscribers]
        assert pushes == [{"n": 1}] * EACH


def listeners(redis: RedisServer, channel: str) -> int:
    """Processes that hear it."""
    [(_, count)] = redis.client().pubsub_numsub(channel)
    return int(count)
