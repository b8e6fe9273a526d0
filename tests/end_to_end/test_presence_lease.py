"""Two real servers over one Redis: who was connected to the one that was killed leaves, and is told of."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.raw_client import Message, RawClient, connected_client
from tests.redis_server import RedisServer
from tests.servers import Server

SETTINGS = "tests.end_to_end.settings_probe"
LEASE_SECONDS = 3
ROOM = "room:lease"
# Who comes and goes is told, and nobody may ask who is there.
TOLD = "told:lease"

StartPair = Callable[..., tuple[Server, Server]]


@pytest.fixture
def start_pair(start_server: Callable[..., Server], redis_prefix: str) -> StartPair:
    """start_pair(url): two servers over the Redis there, one to hurt and one that lives on."""

    def start(url: str) -> tuple[Server, Server]:
        env = {
            "REDIS_URL": url,
            "REDIS_PREFIX": redis_prefix,
            "REALTIME_PRESENCE_LEASE": str(LEASE_SECONDS),
            # Clients of a stopped server must not be what ends its members.
            "REALTIME_PING_INTERVAL": "60",
            "REALTIME_SHUTDOWN_DELAY": "0",
            "REALTIME_SHUTDOWN_SPREAD": "0",
        }
        return start_server(settings=SETTINGS, env=env), start_server(settings=SETTINGS, env=env)

    return start


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def enter(stack: AsyncExitStack, server: Server, *topics: str) -> tuple[RawClient, str]:
    """A client in these topics, and its id."""
    client = await stack.enter_async_context(connected_client(server.ws))
    for topic in topics:
        await client.subscribe(topic)
    reply = await client.call(rpc={"method": "probe.whoami"})
    return client, reply["rpc"]["data"]["client"]


async def members(client: RawClient, topic: str = ROOM) -> set[str]:
    reply = await client.call(presence={"channel": topic})
    return set(reply["presence"]["presence"])


async def see(client: RawClient, *expected: str) -> None:
    """Returns once exactly these are in the room."""
    async with asyncio.timeout(20):
        while await members(client) != set(expected):  # noqa: ASYNC110  # Another process sets no event.
            await asyncio.sleep(0.05)


def leaves(client: RawClient) -> list[tuple[str, str]]:
    """Those that the client was told of, and where, so far."""
    return [told(push, "leave") for push in client.pushes if "leave" in push]


def joins(client: RawClient) -> list[tuple[str, str]]:
    return [told(push, "join") for push in client.pushes if "join" in push]


def told(push: Message, kind: str) -> tuple[str, str]:
    return push["channel"], push[kind]["info"]["client"]


async def test_who_was_connected_to_a_killed_server_leaves_within_the_lease(
    start_pair: StartPair, redis_url: str, stack: AsyncExitStack
) -> None:
    doomed, other = start_pair(redis_url)
    watcher, watcher_id = await enter(stack, other, ROOM, TOLD)
    ids = [(await enter(stack, doomed, ROOM, TOLD))[1] for _ in range(3)]
    await see(watcher, watcher_id, *ids)
    watcher.pushes.clear()

    doomed.kill()
    killed_at = time.monotonic()
    await see(watcher, watcher_id)

    assert time.monotonic() - killed_at < LEASE_SECONDS
    # A round trip: what was told before it is here.
    await see(watcher, watcher_id)
    async with asyncio.timeout(LEASE_SECONDS):
        while len(leaves(watcher)) < 6:
            await see(watcher, watcher_id)
    assert sorted(leaves(watcher)) == sorted((topic, each) for topic in (ROOM, TOLD) for each in ids)
    stats = await watcher.call(presence_stats={"channel": ROOM})
    assert stats["presence_stats"] == {"num_clients": 1, "num_users": 1}


async def test_a_server_that_was_stopped_for_longer_than_its_lease_has_its_members_back(
    start_pair: StartPair, redis_url: str, stack: AsyncExitStack
) -> None:
    stopped, other = start_pair(redis_url)
    watcher, watcher_id = await enter(stack, other, ROOM)
    _, stays = await enter(stack, stopped, ROOM)
    goer, goes = await enter(stack, stopped, ROOM)
    await see(watcher, watcher_id, stays, goes)
    watcher.pushes.clear()

    stopped.signal(signal.SIGSTOP)
    try:
        await see(watcher, watcher_id)
        goer.connection.transport.abort()
    finally:
        stopped.signal(signal.SIGCONT)

    await see(watcher, watcher_id, stays)
    async with asyncio.timeout(20):
        while (ROOM, stays) not in joins(watcher):
            await see(watcher, watcher_id, stays)
    assert (ROOM, goes) in leaves(watcher)


async def test_redis_restarted_empty_costs_nobody_its_place_and_keeps_no_ghost(
    start_pair: StartPair, make_redis: Callable[..., RedisServer], stack: AsyncExitStack
) -> None:
    redis = make_redis()
    one, other = start_pair(redis.url)
    watcher, watcher_id = await enter(stack, other, ROOM)
    _, stays = await enter(stack, one, ROOM)
    goer, goes = await enter(stack, one, ROOM)
    await see(watcher, watcher_id, stays, goes)

    redis.kill()
    goer.connection.transport.abort()
    redis.start()

    async with asyncio.timeout(20):
        while True:
            reply = await watcher.call(presence={"channel": ROOM})
            if "error" not in reply and set(reply["presence"]["presence"]) == {watcher_id, stays}:
                break
            await asyncio.sleep(0.05)


async def test_servers_that_end_well_leave_nothing_of_presence_in_redis(
    start_pair: StartPair, make_redis: Callable[..., RedisServer], stack: AsyncExitStack
) -> None:
    redis = make_redis()
    one, other = start_pair(redis.url)
    for server in (one, other):
        await enter(stack, server, ROOM)

    one.stop()
    other.stop()

    assert not redis.keys("*:presence:*") | redis.keys("*{t:room:lease}*")
