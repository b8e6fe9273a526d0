"""Deadlines: who does not connect, does not answer pings, or does not renew what expires."""

from realtime.errors import CloseCode
from realtime.limits import Limits
from realtime.messages import Reply, Unsubscribed
from realtime.testing import FakeClient, ManualNode
from realtime.topics.namespace import Namespace
from tests.realtime.replies import refreshed, sub_refreshed, subscribed

CLOSED = Namespace(name="closed", presence=True)


def pings(client: FakeClient) -> int:
    return client.connection.received.count(Reply())


async def test_a_client_that_does_not_connect_in_time_is_stale() -> None:
    node = ManualNode()
    client = node.open()
    assert client.session.next_deadline == node.clock() + 10

    await node.advance(9.9, client)
    assert client.close_code is None

    await node.advance(0.1, client)
    assert client.close_code is CloseCode.STALE


async def test_a_client_that_connected_is_not_stale() -> None:
    node = ManualNode()
    client = await node.connect()
    client.session.pong()

    await node.advance(11, client)

    assert client.close_code is None


async def test_pings_come_at_their_interval_and_the_first_one_sooner() -> None:
    node = ManualNode()
    client = await node.connect()
    first = client.session.next_deadline

    assert first is not None
    assert 12.5 <= first - node.clock() <= 25
    for expected in (1, 2, 3):
        deadline = client.session.next_deadline
        assert deadline is not None
        await node.advance(deadline - node.clock(), client)
        client.session.pong()
        assert pings(client) == expected
    assert client.session.next_deadline == first + 3 * 25


async def test_clients_that_came_at_once_are_not_pinged_at_once() -> None:
    node = ManualNode()
    clients = [await node.connect() for _ in range(20)]

    assert len({client.session.next_deadline for client in clients}) == 20


async def test_a_client_that_does_not_answer_a_ping_in_time_is_closed() -> None:
    node = ManualNode()
    client = await node.connect()
    await node.advance(25, client)

    await node.advance(7.9, client)
    assert client.close_code is None

    await node.advance(0.1, client)
    assert client.close_code is CloseCode.NO_PONG


async def test_a_pong_that_nobody_asked_for_does_no_harm() -> None:
    node = ManualNode()
    client = await node.connect()

    client.session.pong()

    assert client.close_code is None


async def test_where_nobody_waits_for_pongs_silence_is_allowed() -> None:
    node = ManualNode(limits=Limits(pong_timeout_seconds=0))
    client = await node.connect()

    for _ in range(10):
        await node.advance(25, client)

    assert (client.close_code, pings(client)) == (None, 10)


async def test_without_an_interval_there_are_no_pings() -> None:
    node = ManualNode(limits=Limits(ping_interval_seconds=0))
    client = await node.connect()

    await node.advance(1000, client)

    assert pings(client) == 0


async def test_ticking_too_early_does_nothing() -> None:
    node = ManualNode()
    client = await node.connect()
    before = len(client.connection.received)

    client.session.tick()

    assert (len(client.connection.received), client.close_code) == (before, None)


# ── Expiry ────────────────────────────────────────────────────────────────────────────────────


async def a_client_that_expires(node: ManualNode, *, seconds: float) -> FakeClient:
    client = node.open()
    await client.connect(node.token("42", ttl_seconds=seconds))
    return client


def without_pings() -> ManualNode:
    return ManualNode(CLOSED, limits=Limits(ping_interval_seconds=0))


async def test_a_connection_that_was_not_renewed_ends_after_a_time_of_grace() -> None:
    node = without_pings()
    client = await a_client_that_expires(node, seconds=60)

    await node.advance(60 + 24.9, client)
    assert client.close_code is None

    await node.advance(0.1, client)
    assert client.close_code is CloseCode.EXPIRED


async def test_a_connection_that_was_renewed_goes_on() -> None:
    node = without_pings()
    client = await a_client_that_expires(node, seconds=60)
    await node.advance(70, client)

    result = refreshed(await client.refresh(node.token("42", ttl_seconds=600)))
    await node.advance(600, client)

    assert (result.client, result.expires, result.ttl) == (client.id, True, 600)
    assert client.close_code is None
    await node.advance(25, client)
    assert client.close_code is CloseCode.EXPIRED


async def test_a_connection_that_the_server_renewed_goes_on() -> None:
    node = without_pings()
    client = await a_client_that_expires(node, seconds=60)

    client.session.refresh(None)
    await client.connection.run_jobs()

    assert client.session.next_deadline is None


async def a_subscription_that_expires(node: ManualNode, *, seconds: float) -> FakeClient:
    client = await a_client_that_expires(node, seconds=100_000)
    await subscribe_for(node, client, seconds=seconds)
    return client


async def subscribe_for(
    node: ManualNode, client: FakeClient, *, seconds: float, topic: str = "closed:a"
) -> None:
    token = node.tokens.subscription(user="42", topic=topic, ttl_seconds=seconds)
    subscribed(await client.subscribe(topic, token=token))


async def test_a_subscription_that_was_not_renewed_ends_after_a_time_of_grace() -> None:
    node = without_pings()
    client = await a_subscription_that_expires(node, seconds=60)

    await node.advance(60 + 24.9, client)
    assert client.session.topics == ["closed:a"]

    await node.advance(0.1, client)
    assert client.session.topics == []
    assert [push.unsubscribe for push in client.pushes] == [Unsubscribed(2501, "subscription expired")]
    assert await node.presence.members("closed:a") == {}
    assert client.close_code is None


async def test_a_subscription_that_was_renewed_goes_on() -> None:
    node = without_pings()
    client = await a_subscription_that_expires(node, seconds=60)
    await node.advance(70, client)

    longer = node.tokens.subscription(user="42", topic="closed:a", ttl_seconds=600)
    sub_refreshed(await client.sub_refresh("closed:a", longer))
    await node.advance(600, client)
    assert client.session.topics == ["closed:a"]

    await node.advance(25, client)
    assert client.session.topics == []


async def test_each_subscription_ends_in_its_own_time() -> None:
    node = without_pings()
    client = await a_subscription_that_expires(node, seconds=60)
    await subscribe_for(node, client, seconds=200, topic="closed:b")
    await subscribe_for(node, client, seconds=100, topic="closed:c")

    left = []
    for seconds in (85, 40, 100):
        await node.advance(seconds, client)
        left.append(client.session.topics)

    assert left == [["closed:b", "closed:c"], ["closed:b"], []]


async def test_the_end_of_the_only_expiring_topic_leaves_no_deadline() -> None:
    node = without_pings()
    client = node.open()
    await client.connect(node.token("42", ttl_seconds=100_000))
    client.session.refresh(None)
    await client.connection.run_jobs()
    await subscribe_for(node, client, seconds=60)

    await node.advance(85, client)

    assert client.session.next_deadline is None
