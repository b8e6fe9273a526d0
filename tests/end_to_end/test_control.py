"""Two server processes over one Redis: what is ordered in one is done in both, and each knows the other."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from realtime.messages import Position
from realtime.orders import (
    DisconnectSessions,
    Order,
    RefreshSessions,
    SubscribeSessions,
    UnsubscribeSessions,
)
from tests.raw_client import Closed, RawClient, connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.tokens import sign
from tests.waiting import until, wait_until

SETTINGS = "tests.end_to_end.settings_control"
ENV = {"REALTIME_NODE_ANNOUNCE_INTERVAL": "0.3", "REALTIME_SHUTDOWN_DELAY": "0"}
# After so long without a word a node is gone: three announcements, the grace time, and a slow machine.
GONE_WITHIN_SECONDS = 15


@dataclass
class Pair:
    left: Server
    right: Server

    async def connect(self, stack: AsyncExitStack, *users: str) -> list[RawClient]:
        """A client of each user on each server, those of the left one first."""
        return [
            await stack.enter_async_context(connected_client(server.ws, token=sign(sub=user)))
            for server in (self.left, self.right)
            for user in users
        ]


@pytest.fixture(scope="module")
def pair(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """For tests that leave both servers as they were."""
    folder, prefix = tmp_path_factory.mktemp("pair"), f"test-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Server(
                    settings=SETTINGS,
                    env={
                        **ENV,
                        "REDIS_URL": redis_url,
                        "REDIS_PREFIX": prefix,
                        "REALTIME_NODE_NAME": name,
                    },
                    log=folder / f"{name}.log",
                )
            )
            for name in ("left", "right")
        ]
        yield Pair(*servers)


@pytest.fixture
def start_pair(start_server: Callable[..., Server], redis_prefix: str) -> Callable[..., Pair]:
    """start_pair(redis, right="daphne"): two servers of the test's own."""

    def start(redis_url: str, *, right: str = "serve") -> Pair:
        left, other = [
            start_server(
                kind,
                settings=SETTINGS,
                env={
                    **ENV,
                    "REDIS_URL": redis_url,
                    "REDIS_PREFIX": redis_prefix,
                    "REALTIME_NODE_NAME": name,
                },
            )
            for kind, name in (("serve", "left"), (right, "right"))
        ]
        return Pair(left, other)

    return start


async def order(server: Server, order: Order, *, path: str = "/probe/send") -> None:
    query = urlencode({"order": msgspec.json.encode(order)})
    status = await asyncio.to_thread(server.fetch_status, f"{path}?{query}")
    assert status == 204


def count_subscriptions(redis: RedisServer) -> int:
    """Connections for pub/sub, one for each process."""
    clients: Any = redis.client().client_list(_type="pubsub")
    return len(clients)


def fetch_nodes(server: Server) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = server.fetch_json("/probe/nodes")["nodes"]
    return nodes


def machines(server: Server) -> list[str]:
    """The names without the processes' numbers."""
    return [node["name"].partition(":")[0] for node in fetch_nodes(server)]


# ── Orders ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/probe/send", "/probe/send-blocking"], ids=["async", "blocking"])
async def test_a_user_is_disconnected_from_both_processes(pair: Pair, path: str) -> None:
    async with AsyncExitStack() as stack:
        alice_left, bob_left, alice_right, bob_right = await pair.connect(stack, "alice", "bob")

        await order(pair.left, DisconnectSessions(user="alice", code=4501, reason="banned"), path=path)

        for client in (alice_left, alice_right):
            assert await client.receive_close() == Closed(4501, "banned")
        for client in (bob_left, bob_right):
            assert (await client.call(ping={})).get("error") is None


async def test_a_client_of_daphne_is_disconnected_too(
    start_pair: Callable[..., Pair], redis_url: str
) -> None:
    pair = start_pair(redis_url, right="daphne")
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, "alice")

        await order(pair.left, DisconnectSessions(user="alice", code=4501, reason="banned"))

        # daphne sends no reasons.
        assert [(await client.receive_close()).code for client in clients] == [4501, 4501]


async def test_one_client_is_disconnected_and_one_is_kept(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        kept, other = [await stack.enter_async_context(connected_client(pair.right.ws)) for _ in range(2)]
        third = await stack.enter_async_context(connected_client(pair.left.ws, token=sign(sub="carol")))
        kept_id = (await kept.call(rpc={"method": "probe.whoami"}))["rpc"]["data"]["client"]
        third_id = (await third.call(rpc={"method": "probe.whoami"}))["rpc"]["data"]["client"]

        await order(pair.left, DisconnectSessions(user="42", keep_clients=(kept_id,)))
        await order(pair.right, DisconnectSessions(client=third_id))

        assert await other.receive_close() == Closed(3503, "force disconnect")
        assert await third.receive_close() == Closed(3503, "force disconnect")
        assert (await kept.call(ping={})).get("error") is None


async def test_a_subscription_ends_in_both_processes(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, "alice")
        for client in clients:
            await client.subscribe("plain:ending")

        await order(pair.right, UnsubscribeSessions(user="alice", topic="plain:ending"))

        for client in clients:
            assert await client.receive_push() == {
                "channel": "plain:ending",
                "unsubscribe": {"code": 2000, "reason": "server unsubscribe"},
            }


async def test_users_are_subscribed_in_both_processes_and_recover(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, "alice")
        first = await clients[0].subscribe("news:given")
        await clients[0].call(unsubscribe={"channel": "news:given"})
        await asyncio.to_thread(pair.right.fetch_status, "/probe/publish?topic=news:given&count=2")

        await order(
            pair.left,
            SubscribeSessions(
                user="alice", topic="news:given", data=b'{"for":"alice"}', since=Position(1, first["epoch"])
            ),
        )
        for client in clients:
            told, missed = await client.receive_push(), await client.receive_push()
            assert told["subscribe"]["data"] == {"for": "alice"}
            assert (missed["pub"]["offset"], missed["pub"]["data"]["n"]) == (2, 1)
        await asyncio.to_thread(pair.left.fetch_status, "/probe/publish?topic=news:given&first=2")

        for client in clients:
            assert (await client.receive_push())["pub"]["data"]["n"] == 2


async def test_connections_get_another_end_or_are_ended_as_expired(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, "alice")

        await order(pair.left, RefreshSessions(user="alice"))
        for client in clients:
            assert await client.receive_push() == {"refresh": {}}
        await order(pair.left, RefreshSessions(user="alice", is_expired=True))

        for client in clients:
            assert await client.receive_close() == Closed(3005, "connection expired")


# ── Nodes ─────────────────────────────────────────────────────────────────────────────────────


async def test_each_process_knows_both_and_what_they_do(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        [client] = [await stack.enter_async_context(connected_client(pair.right.ws))]
        await client.subscribe("plain:counted")

        def is_told() -> bool:
            nodes = fetch_nodes(pair.left)
            return len(nodes) == 2 and (nodes[1]["clients"], nodes[1]["subscriptions"]) == (1, 1)

        await until(is_told)
        left, right = fetch_nodes(pair.left)

    assert (left["name"], right["name"]) == (f"left:{pair.left.pid}", f"right:{pair.right.pid}")
    assert (right["users"], right["topics"]) == (1, 1)
    assert (left["clients"], left["topics"], left["subscriptions"]) == (0, 0, 0)
    assert left["version"] == right["version"] != ""


def test_a_killed_process_is_soon_gone_and_a_stopped_one_at_once(
    start_pair: Callable[..., Pair], start_server: Callable[..., Server], redis_url: str, redis_prefix: str
) -> None:
    pair = start_pair(redis_url)
    third = start_server(
        settings=SETTINGS,
        # It would be believed for an hour.
        env={
            **ENV,
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": redis_prefix,
            "REALTIME_NODE_NAME": "third",
            "REALTIME_NODE_ANNOUNCE_INTERVAL": "1200",
        },
    )
    wait_until(lambda: machines(pair.left) == ["left", "right", "third"])

    pair.right.kill()
    third.stop()

    assert "third" not in machines(pair.left)
    wait_until(lambda: machines(pair.left) == ["left"], GONE_WITHIN_SECONDS)


# ── Faults ────────────────────────────────────────────────────────────────────────────────────


async def test_no_order_is_lost_while_the_subscriptions_are_cut(
    start_pair: Callable[..., Pair], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    pair = start_pair(redis.url)
    users = [f"user{number}" for number in range(5)]
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, *users)

        for user in users:
            # Both are back from the last time.
            await until(lambda: count_subscriptions(redis) == 2)
            redis.cut_pubsub()
            await order(pair.left, DisconnectSessions(user=user))

        for client in clients:
            assert await client.receive_close() == Closed(3503, "force disconnect")
    for server in (pair.left, pair.right):
        assert "orders were missed" not in server.log.read_text()


async def test_orders_and_nodes_come_through_again_after_redis_was_killed(
    start_pair: Callable[..., Pair], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    pair = start_pair(redis.url)
    async with AsyncExitStack() as stack:
        clients = await pair.connect(stack, "alice")

        await asyncio.to_thread(redis.restart, keep_data=False)
        await until(lambda: pair.left.is_ready() and pair.right.is_ready())
        await order(pair.left, DisconnectSessions(user="alice"))

        for client in clients:
            assert await client.receive_close() == Closed(3503, "force disconnect")
    await until(lambda: machines(pair.left) == machines(pair.right) == ["left", "right"])
