"""PyPI `cent`, as it is, against real servers: each of its methods, blocking and async."""

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import cent
import pytest

from tests.raw_client import Closed, RawClient, connected_client
from tests.servers import Server
from tests.tokens import sign
from tests.waiting import wait_until

SETTINGS = "tests.end_to_end.settings_probe"
KEY = "key-of-the-cent-tests"
# All in one process: they share two servers.
pytestmark = pytest.mark.xdist_group("cent")
ENV = {"REALTIME_API_KEYS": KEY, "REALTIME_NODE_ANNOUNCE_INTERVAL": "0.3"}


class Caller:
    """One of cent's two clients: `call(request)` goes through the client's own method for it."""

    def __init__(self, client: "cent.Client | cent.AsyncClient") -> None:
        self._client = client

    async def call(self, request: "cent.CentRequest[Any]") -> Any:
        method = getattr(self._client, request.api_method)
        if isinstance(self._client, cent.AsyncClient):
            return await method(request)
        return await asyncio.to_thread(method, request)


@pytest.fixture(scope="session")
def workers(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers over Redis."""
    env = {"WORKERS": "2", "REDIS_URL": redis_url, "REDIS_PREFIX": f"test-{uuid.uuid4().hex[:12]}"}
    log = tmp_path_factory.mktemp("workers") / "server.log"
    with Server(settings=SETTINGS, env={**ENV, **env}, log=log) as server:
        wait_until(lambda: "with 2 workers" in server.log.read_text())
        yield server


@pytest.fixture
def server(shared_server: Callable[..., Server]) -> Server:
    return shared_server(settings=SETTINGS, env=ENV)


@pytest.fixture(params=["sync", "async"])
async def caller(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Caller]:
    async for each in open_caller(server, request.param):
        yield each


async def open_caller(server: Server, kind: str) -> AsyncIterator[Caller]:
    url = f"{server.http}/api"
    if kind == "async":
        async with cent.AsyncClient(url, KEY) as client:
            yield Caller(client)
        return
    blocking = cent.Client(url, KEY)
    yield Caller(blocking)
    blocking._session.close()


@pytest.fixture
def topic() -> str:
    """In a namespace with a log, and of this test alone."""
    return f"news:{uuid.uuid4().hex[:8]}"


@pytest.fixture
def user() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def connect(stack: AsyncExitStack, server: Server, user: str) -> RawClient:
    return await stack.enter_async_context(connected_client(server.ws, token=sign(sub=user)))


# ── Publishing ────────────────────────────────────────────────────────────────────────────────


async def test_publish_reaches_subscribers_and_tells_the_position(
    caller: Caller, server: Server, topic: str, user: str, stack: AsyncExitStack
) -> None:
    client = await connect(stack, server, user)
    await client.subscribe(topic)

    result = await caller.call(cent.PublishRequest(channel=topic, data={"a": [1, "ä"]}, tags={"k": "v"}))

    pushed = (await client.receive_push())["pub"]
    assert (pushed["data"], pushed["tags"], pushed["offset"]) == ({"a": [1, "ä"]}, {"k": "v"}, 1)
    assert result.offset == 1
    assert result.epoch


async def test_a_repeated_idempotency_key_publishes_once(caller: Caller, topic: str) -> None:
    request = cent.PublishRequest(channel=topic, data=1, idempotency_key="once")

    first, second = await caller.call(request), await caller.call(request)

    assert first == second
    held = await caller.call(cent.HistoryRequest(channel=topic, limit=10))
    assert [publication.data for publication in held.publications] == [1]


async def test_bytes_come_in_base64_and_history_can_be_skipped(
    caller: Caller, server: Server, topic: str, user: str, stack: AsyncExitStack
) -> None:
    client = await connect(stack, server, user)
    await client.subscribe(topic)
    data = base64.b64encode(b'{"b":2}').decode()

    result = await caller.call(cent.PublishRequest(channel=topic, data=None, b64data=data, skip_history=True))

    assert (await client.receive_push())["pub"]["data"] == {"b": 2}
    assert (result.offset, result.epoch) == (0, "")
    assert (await caller.call(cent.HistoryRequest(channel=topic, limit=10))).publications == []


async def test_broadcast_answers_for_each_topic(caller: Caller, topic: str) -> None:
    request = cent.BroadcastRequest(channels=[topic, "nowhere:x", "plain:x"], data={"n": 1})

    result = await caller.call(request)

    first, second, third = result.responses
    assert first.result.offset == 1
    assert (second.error.code, second.result) == (102, None)
    assert third.result.offset == 0


# ── Orders ────────────────────────────────────────────────────────────────────────────────────


async def test_subscribe_and_unsubscribe_reach_the_users_clients(
    caller: Caller, server: Server, topic: str, user: str, stack: AsyncExitStack
) -> None:
    client = await connect(stack, server, user)
    await caller.call(cent.PublishRequest(channel=topic, data=1))
    position = await caller.call(cent.HistoryRequest(channel=topic))
    await caller.call(cent.PublishRequest(channel=topic, data=2))
    since = cent.StreamPosition(offset=position.offset, epoch=position.epoch)
    override = cent.ChannelOptionsOverride(presence=cent.BoolValue(value=True))

    await caller.call(
        cent.SubscribeRequest(
            user=user, channel=topic, info={"role": "guest"}, data={"hello": 1}, recover_since=since,
            override=override,
        )
    )  # fmt: skip

    push = await client.receive_push()
    assert push["channel"] == topic
    assert push["subscribe"]["data"] == {"hello": 1}
    assert (await client.receive_push())["pub"]["data"] == 2

    await caller.call(cent.UnsubscribeRequest(user=user, channel=topic))

    assert (await client.receive_push())["unsubscribe"]["code"] == 2000


async def test_disconnect_closes_with_the_code_but_keeps_whom_it_says(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    goes, stays = await connect(stack, server, user), await connect(stack, server, user)
    kept = await client_id_of(stays)

    await caller.call(
        cent.DisconnectRequest(
            user=user, whitelist=[kept], disconnect=cent.Disconnect(code=4501, reason="banned")
        )
    )

    assert await goes.receive_close() == Closed(4501, "banned")
    assert await client_id_of(stays) == kept


async def test_disconnect_without_a_code_is_final(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    client = await connect(stack, server, user)

    await caller.call(cent.DisconnectRequest(user=user, client=await client_id_of(client)))

    assert (await client.receive_close()).code == 3503


async def test_refresh_sets_when_connections_end_or_ends_them(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    client = await connect(stack, server, user)

    await caller.call(cent.RefreshRequest(user=user, expire_at=int(time.time()) + 500))

    refreshed = (await client.receive_push())["refresh"]
    assert refreshed["expires"] is True
    assert 400 < refreshed["ttl"] <= 500

    await caller.call(cent.RefreshRequest(user=user, expired=True))

    assert (await client.receive_close()).code == 3005


async def client_id_of(client: RawClient) -> str:
    reply = await client.call(rpc={"method": "probe.whoami", "data": None})
    client_id: str = reply["rpc"]["data"]["client"]
    return client_id


# ── Presence, history, topics, nodes ──────────────────────────────────────────────────────────


async def test_presence_tells_who_is_there_and_how_many(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    room = f"room:{user}"
    clients = [await connect(stack, server, name) for name in (user, user, f"{user}2")]
    for client in clients:
        await client.subscribe(room)

    presence = (await caller.call(cent.PresenceRequest(channel=room))).presence
    stats = await caller.call(cent.PresenceStatsRequest(channel=room))

    assert {info.user for info in presence.values()} == {user, f"{user}2"}
    assert set(presence) == {await client_id_of(client) for client in clients}
    assert (stats.num_clients, stats.num_users) == (3, 2)


async def test_history_is_read_in_parts_and_removed(caller: Caller, topic: str) -> None:
    for number in range(1, 6):
        last = await caller.call(cent.PublishRequest(channel=topic, data={"n": number}))

    async def read(**options: Any) -> tuple[list[int], int]:
        result = await caller.call(cent.HistoryRequest(channel=topic, **options))
        assert result.epoch == last.epoch
        return [publication.data["n"] for publication in result.publications], result.offset

    assert await read() == ([], 5)
    assert await read(limit=2) == ([1, 2], 5)
    assert await read(limit=-1) == ([1, 2, 3, 4, 5], 5)
    assert await read(limit=2, reverse=True) == ([5, 4], 5)
    since = cent.StreamPosition(offset=3, epoch=last.epoch)
    assert await read(limit=10, since=since) == ([4, 5], 5)

    await caller.call(cent.HistoryRemoveRequest(channel=topic))

    assert await read(limit=10) == ([], 5)


async def test_channels_lists_topics_with_subscribers(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    for name, topics in ((user, ("plain:a", "news:b")), (f"{user}2", ("plain:a",))):
        client = await connect(stack, server, name)
        for prefix in topics:
            await client.subscribe(f"{prefix}-{user}")

    found = (await caller.call(cent.ChannelsRequest(pattern=f"{{plain,news}}:*-{user}"))).channels
    none = (await caller.call(cent.ChannelsRequest(pattern="nothing:*"))).channels

    assert {topic: info.num_clients for topic, info in found.items()} == {
        f"plain:a-{user}": 2, f"news:b-{user}": 1,
    }  # fmt: skip
    assert none == {}


async def test_info_lists_the_processes(
    caller: Caller, server: Server, user: str, stack: AsyncExitStack
) -> None:
    await connect(stack, server, user)

    [node] = (await caller.call(cent.InfoRequest())).nodes

    assert node.version.startswith("Switchboard ")
    assert node.num_clients == 1
    assert node.uptime >= 0


@pytest.mark.parametrize("parallel", [False, True])
async def test_batch_answers_each_in_its_place(caller: Caller, topic: str, *, parallel: bool) -> None:
    requests = [
        cent.PublishRequest(channel=topic, data=1),
        cent.BroadcastRequest(channels=[topic], data=2),
        cent.HistoryRequest(channel=topic),
        cent.DisconnectRequest(user="nobody"),
        cent.InfoRequest(),
    ]

    replies = (await caller.call(cent.BatchRequest(requests=requests, parallel=parallel))).replies

    published, spread, read, _, info = replies
    assert {published.offset, spread.responses[0].result.offset} == {1, 2}
    assert read.offset == 2 or parallel
    assert len(info.nodes) == 1


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (cent.PublishRequest(channel="nowhere:x", data=1), 102),
        (cent.PublishRequest(channel="news:ä", data=1), 107),
        (cent.PublishRequest(channel="news:x", data="x" * 70_000), 106),
        (cent.HistoryRequest(channel="plain:x"), 108),
        (cent.PresenceRequest(channel="news:x"), 108),
        (cent.SubscribeRequest(user="", channel="news:x"), 107),
        (cent.DisconnectRequest(user="a", session="s"), 108),
        (cent.HistoryRequest(channel="news:x", since=cent.StreamPosition(offset=1, epoch="other")), 112),
    ],
    ids=lambda value: getattr(value, "api_method", value),
)
async def test_a_refusal_has_its_number_and_reason(
    caller: Caller, request_: "cent.CentRequest[Any]", code: int
) -> None:
    with pytest.raises(cent.CentApiResponseError) as refused:
        await caller.call(request_)

    assert refused.value.code == code
    assert ": " in refused.value.message


@pytest.mark.parametrize("key", ["", "wrong", "sb_0123456789ab_wrong"])
async def test_a_wrong_key_is_unauthorized(server: Server, key: str) -> None:
    with pytest.raises((cent.CentUnauthorizedError, cent.CentTransportError)) as refused:
        await asyncio.to_thread(cent.Client(f"{server.http}/api", key).info, cent.InfoRequest())

    # The server has no table for rows of keys: what looks like one of them cannot be looked up.
    is_row = key.startswith("sb_")
    assert isinstance(refused.value, cent.CentTransportError if is_row else cent.CentUnauthorizedError)


async def test_a_key_in_the_address_is_not_logged(server: Server) -> None:
    for path in ("info", "nothing", "v1/nodes"):
        await asyncio.to_thread(server.fetch_status, f"/api/{path}?api_key={KEY}")

    assert KEY not in server.log.read_text()


# ── Two workers ───────────────────────────────────────────────────────────────────────────────


async def connect_to_both(stack: AsyncExitStack, server: Server, user: str) -> list[RawClient]:
    """More than any one worker keeps for itself."""
    return [await connect(stack, server, user) for _ in range(12)]


async def test_workers_answer_as_one(workers: Server, user: str, stack: AsyncExitStack) -> None:
    room = f"room:{user}"
    clients = await connect_to_both(stack, workers, user)
    for client in clients:
        await client.subscribe(room)
    async for caller in open_caller(workers, "async"):
        nodes: list[Any] = []
        async with asyncio.timeout(20):
            # Each tells the others how it is by and by.
            while sum(node.num_clients for node in nodes) != len(clients):
                nodes = (await caller.call(cent.InfoRequest())).nodes

        presence = (await caller.call(cent.PresenceRequest(channel=room))).presence
        stats = await caller.call(cent.PresenceStatsRequest(channel=room))
        found = (await caller.call(cent.ChannelsRequest(pattern=f"*{user}"))).channels
        await caller.call(cent.PublishRequest(channel=room, data={"n": 1}))

        assert len(nodes) == 2
        assert all(node.num_clients for node in nodes)
        assert len(presence) == len(clients)
        assert (stats.num_clients, stats.num_users) == (len(clients), 1)
        assert {topic: info.num_clients for topic, info in found.items()} == {room: len(clients)}
        for client in clients:
            while "pub" not in (push := await client.receive_push()):
                assert "join" in push

        await caller.call(cent.DisconnectRequest(user=user))

        for client in clients:
            assert (await client.receive_close()).code == 3503
