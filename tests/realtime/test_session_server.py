"""What the server does to a session by its own will, and how the client learns of it."""

import pytest
from msgspec import Raw

from realtime.errors import CloseCode, CommandError, ErrorCode, UnsubscribeCode
from realtime.messages import Position, Refreshed, ServerMessage, Subscribed, Unsubscribed
from realtime.testing import ManualNode
from realtime.tokens import Override, SubscriptionOptions
from realtime.topics.namespace import Namespace
from tests.realtime.replies import error_of

NEWS = Namespace(
    name="news",
    history_size=10,
    history_ttl=60,
    force_recovery=True,
    presence=True,
    allow_subscribe_for_client=True,
)


async def test_a_message_reaches_one_client_alone() -> None:
    node = ManualNode()
    client, other = await node.connect(), await node.connect()

    client.session.send_message(b'{"a":1}')

    assert [push.message for push in client.pushes] == [ServerMessage(Raw(b'{"a":1}'))]
    assert other.pushes == []


async def test_the_server_may_subscribe_a_client_and_its_publications_follow() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    await node.publish("news:a", b"1")

    client.session.subscribe("news:a")
    await client.connection.run_jobs()
    await node.publish("news:a", b"2")

    told, published = client.pushes
    assert told.channel == "news:a"
    assert told.subscribe == Subscribed(recoverable=True, epoch="epoch1", offset=1, positioned=True)
    assert published.pub is not None
    assert published.pub.offset == 2
    assert set(await node.presence.members("news:a")) == {client.id}


async def test_the_server_subscribes_once_and_the_client_cannot_undo_it() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()

    client.session.subscribe("news:a")
    client.session.subscribe("news:a")
    await client.connection.run_jobs()

    assert len(client.pushes) == 1
    assert error_of(await client.unsubscribe("news:a")) == 107


async def test_the_server_may_have_a_client_recover_what_it_subscribes_it_to() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    for data in (b"1", b"2", b"3"):
        await node.publish("news:a", data)

    client.session.subscribe("news:a", since=Position(offset=1, epoch="epoch1"))
    await client.connection.run_jobs()
    await node.publish("news:a", b"4")

    assert client.pushes[0].subscribe == Subscribed(
        recoverable=True, epoch="epoch1", offset=1, positioned=True
    )
    assert client.received_data() == [b"2", b"3", b"4"]


async def test_what_cannot_be_recovered_is_left_out_and_the_client_starts_at_the_top() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    await node.publish("news:a", b"1")

    client.session.subscribe("news:a", since=Position(offset=1, epoch="another"))
    await client.connection.run_jobs()
    await node.publish("news:a", b"2")

    assert client.pushes[0].subscribe == Subscribed(
        recoverable=True, epoch="epoch1", offset=1, positioned=True
    )
    assert client.received_data() == [b"2"]


async def test_the_server_may_subscribe_with_options_of_its_own() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    options = SubscriptionOptions(
        info=Raw(b'{"as":"guest"}'), data=Raw(b'{"a":1}'), override={"force_recovery": Override(value=False)}
    )

    client.session.subscribe("news:a", options)
    await client.connection.run_jobs()

    assert client.pushes[0].subscribe == Subscribed(data=Raw(b'{"a":1}'))
    members = await node.presence.members("news:a")
    assert members[client.id].chan_info == Raw(b'{"as":"guest"}')


@pytest.mark.parametrize(
    ("topic", "code"), [("unknown:a", ErrorCode.UNKNOWN_TOPIC), ("", ErrorCode.BAD_REQUEST)]
)
async def test_the_server_is_told_at_once_of_a_topic_that_cannot_be(topic: str, code: ErrorCode) -> None:
    client = await ManualNode(NEWS).connect()

    with pytest.raises(CommandError) as caught:
        client.session.subscribe(topic)

    assert caught.value.code is code


@pytest.mark.parametrize("code", list(UnsubscribeCode))
async def test_the_server_may_end_a_subscription_and_says_why(code: UnsubscribeCode) -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    await client.subscribe("news:a")

    client.session.unsubscribe("news:a", code)
    await client.connection.run_jobs()
    await node.publish("news:a", b"1")

    [push] = client.pushes
    assert (push.channel, push.unsubscribe) == ("news:a", Unsubscribed(code, code.text))
    assert (len(node.hub), await node.presence.members("news:a")) == (0, {})


async def test_what_was_published_before_the_end_comes_before_it() -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    await client.subscribe("news:a")
    await node.publisher.publish("news:a", b"1")

    client.session.unsubscribe("news:a")
    await client.connection.run_jobs()
    node.scheduler.run()

    assert [push.pub is not None for push in client.pushes] == [True, False]


async def test_ending_what_is_not_subscribed_tells_nobody() -> None:
    client = await ManualNode(NEWS).connect()

    client.session.unsubscribe("news:a")
    await client.connection.run_jobs()

    assert client.pushes == []


async def test_the_server_may_set_when_a_connection_ends() -> None:
    node = ManualNode()
    client = await node.connect()

    client.session.refresh(node.unix_now() + 60)
    await client.connection.run_jobs()
    client.session.refresh(None)
    await client.connection.run_jobs()

    assert [push.refresh for push in client.pushes] == [Refreshed(expires=True, ttl=60), Refreshed()]


@pytest.mark.parametrize("code", list(CloseCode))
async def test_the_server_may_disconnect_with_any_code(code: CloseCode) -> None:
    node = ManualNode(NEWS)
    client = await node.connect()
    await client.subscribe("news:a")

    client.session.disconnect(code)
    client.session.disconnect(CloseCode.CLOSED)

    assert client.close_code is code
    await client.leave()
    assert node.count_left_behind() == {}


async def test_a_client_that_has_not_connected_is_told_nothing() -> None:
    node = ManualNode(NEWS)
    client = node.open()

    client.session.send_message(b"1")
    client.session.subscribe("news:a")
    client.session.refresh(node.unix_now() + 60)
    await client.connection.run_jobs()

    assert client.connection.received == []
    assert len(node.hub) == 0


async def test_draining_closes_every_session() -> None:
    node = ManualNode(NEWS)
    clients = [await node.connect() for _ in range(5)]

    async def sleep(seconds: float) -> None:
        node.clock.advance(seconds)

    await node.sessions.drain(code=CloseCode.SHUTDOWN, spread_seconds=2, sleep=sleep)

    assert {client.close_code for client in clients} == {CloseCode.SHUTDOWN}
    assert node.clock() == pytest.approx(2 * 4 / 5)
