"""Orders to sessions: which they reach, what they have them do, and what is never lost or done twice."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from msgspec import Raw

from realtime.caller import Caller
from realtime.control import CONTROL_HISTORY, CONTROL_TOPIC, MAX_ORDER_BYTES, Control
from realtime.errors import CloseCode, CommandError, ErrorCode, LayerUnavailable, UnsubscribeCode
from realtime.messages import Position, Publication, Refreshed, Subscribed, Unsubscribed
from realtime.orders import (
    DisconnectSessions,
    Order,
    RecheckSessions,
    RefreshSessions,
    RuleChange,
    SubscribeSessions,
    UnsubscribeSessions,
    decode_order,
    encode_order,
)
from realtime.session import Session
from realtime.testing import FakeConnection, ManualNode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.realtime.layers import settle
from tests.realtime.replies import error_of
from tests.realtime.shared_layer import LayerEnd, SharedLayer
from tests.waiting import until

NEWS = Namespace(
    name="news",
    history_size=10,
    history_ttl=60,
    force_recovery=True,
    presence=True,
    allow_subscribe_for_client=True,
)


@dataclass
class Process:
    """An engine with its control, as the runtime puts them together. Ids of clients are unique within it."""

    node: ManualNode
    end: LayerEnd
    control: Control
    losses: list[str]

    @classmethod
    def on(cls, layer: SharedLayer, *namespaces: Namespace) -> "Process":
        node, end = layer.node(*namespaces, allows_anonymous=True)
        losses: list[str] = []
        control = Control(
            layer=end,
            hub=node.hub,
            sessions=node.sessions,
            namespaces=node.registry,
            clock_ms=lambda: int(node.unix_now() * 1000),
            on_lost=lambda: losses.append("lost"),
        )
        return cls(node, end, control, losses)

    async def start(self) -> "Process":
        self.control.start()
        await until(lambda: self.control.is_listening)
        return self

    async def let_time_pass(self) -> None:
        """Enough of it for whatever the hub has to look up."""
        for _ in range(10):
            await settle()
            await self.node.advance(1)


@pytest.fixture
def layer() -> SharedLayer:
    return SharedLayer()


@pytest.fixture
async def here(layer: SharedLayer) -> AsyncIterator[Process]:
    process = await Process.on(layer, NEWS).start()
    yield process
    await process.control.stop()


@pytest.fixture
async def there(layer: SharedLayer) -> AsyncIterator[Process]:
    process = await Process.on(layer, NEWS).start()
    yield process
    await process.control.stop()


async def publish_bytes(process: Process, data: bytes) -> None:
    """As if another version had sent it."""
    await process.end.publish(CONTROL_TOPIC, Publication(data=Raw(data)), history=CONTROL_HISTORY)


# ── Who is reached ────────────────────────────────────────────────────────────────────────────


async def test_a_user_is_disconnected_from_every_process(here: Process, there: Process) -> None:
    clients = [await process.node.connect("alice") for process in (here, here, there)]
    other = await there.node.connect("bob")

    await here.control.disconnect("alice")

    assert {client.close_code for client in clients} == {CloseCode.FORCE_NO_RECONNECT}
    assert other.close_code is None


async def test_those_to_be_kept_stay(here: Process) -> None:
    first, second, third = [await here.node.connect("alice") for _ in range(3)]

    await here.control.disconnect("alice", keep_clients=[first.id, third.id])

    assert [client.close_code for client in (first, second, third)] == [
        None,
        CloseCode.FORCE_NO_RECONNECT,
        None,
    ]


async def test_one_client_is_reached_alone_and_only_as_the_users(here: Process) -> None:
    first, second, stranger = [await here.node.connect(user) for user in ("alice", "alice", "")]

    await here.control.disconnect("bob", client=first.id)
    await here.control.disconnect("alice", client=second.id)
    await here.control.disconnect("", client=stranger.id)

    assert [client.close_code is None for client in (first, second, stranger)] == [True, False, False]


async def test_a_client_that_is_gone_is_reached_no_more(here: Process) -> None:
    client = await here.node.connect("alice")
    await client.leave()

    await here.control.disconnect("alice", client=client.id)
    await here.control.disconnect("alice")

    assert client.close_code is CloseCode.CLOSED


# ── What is done ──────────────────────────────────────────────────────────────────────────────


async def test_a_project_closes_with_its_own_code_and_reason(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")

    await here.control.disconnect("alice", code=CloseCode.of(4501, "banned"))

    assert client.close_code is not None
    assert (int(client.close_code), client.close_code.text) == (4501, "banned")
    assert not client.close_code.reconnects


async def test_a_subscription_ends_on_every_process(here: Process, there: Process) -> None:
    clients = [await here.node.connect("alice"), await there.node.connect("alice")]
    other = await there.node.connect("bob")
    for client in (*clients, other):
        await client.subscribe("news:a")

    await here.control.unsubscribe("alice", "news:a", code=UnsubscribeCode.EXPIRED)
    for client in (*clients, other):
        await client.connection.run_jobs()

    told = Unsubscribed(2501, "subscription expired")
    assert [push.unsubscribe for client in clients for push in client.pushes] == [told, told]
    assert (other.pushes, other.session.topics) == ([], ["news:a"])


async def test_users_are_subscribed_with_options_and_recover(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")
    top = (await here.node.publish("news:a", b"1")).position
    await here.node.publish("news:a", b"2")

    await here.control.subscribe(
        "alice", "news:a", info=b'{"as":"guest"}', data=b'{"n":1}', since=Position(1, top.epoch)
    )
    await client.connection.run_jobs()

    assert client.pushes[0].subscribe == Subscribed(
        recoverable=True, epoch=top.epoch, offset=1, positioned=True, data=Raw(b'{"n":1}')
    )
    assert client.received_data() == [b"2"]
    members = await there.node.presence.members("news:a")
    assert members[client.id].chan_info == Raw(b'{"as":"guest"}')


async def test_a_subscription_may_override_options_of_its_namespace(here: Process) -> None:
    client = await here.node.connect("alice")

    await here.control.subscribe("alice", "news:a", override={"force_recovery": False, "presence": False})
    await client.connection.run_jobs()

    assert [push.subscribe for push in client.pushes] == [Subscribed()]
    assert await here.node.presence.members("news:a") == {}


async def test_the_end_of_connections_is_moved_or_taken_away(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")

    await here.control.refresh("alice", expires_at=there.node.unix_now() + 60)
    await here.control.refresh("alice")
    await client.connection.run_jobs()

    assert [push.refresh for push in client.pushes] == [Refreshed(expires=True, ttl=60), Refreshed()]


async def test_connections_may_be_declared_expired(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")

    await here.control.refresh("alice", is_expired=True)

    assert client.close_code is CloseCode.EXPIRED


async def test_orders_are_carried_out_in_the_order_in_which_they_were_sent(
    here: Process, there: Process
) -> None:
    client = await there.node.connect("alice")

    await here.control.subscribe("alice", "news:a")
    await here.control.unsubscribe("alice", "news:a")
    await here.control.subscribe("alice", "news:b")
    await client.connection.run_jobs()

    assert [(push.channel, push.subscribe is not None) for push in client.pushes] == [
        ("news:a", True),
        ("news:a", False),
        ("news:b", True),
    ]


# ── Rules ─────────────────────────────────────────────────────────────────────────────────────


MEMBERS: set[str] = set()


async def is_member(caller: Caller, topic: TopicName) -> bool:
    return f"{caller.user}@{topic.text}" in MEMBERS


TEAM, CLUB = Namespace(name="team", can_subscribe=is_member), Namespace(name="club", can_subscribe=is_member)


@pytest.fixture
async def two_processes(layer: SharedLayer) -> AsyncIterator[list[Process]]:
    """In each of which alice and an anonymous client are in two topics, by rules that refuse them now."""
    processes = [await Process.on(layer, TEAM, CLUB).start() for _ in range(2)]
    MEMBERS.update(f"{user}@{topic}" for user in ("alice", "") for topic in ("team:a", "club:a"))
    for process in processes:
        for user in ("alice", ""):
            client = await process.node.connect(user)
            await client.subscribe("team:a")
            await client.subscribe("club:a")
    MEMBERS.clear()
    yield processes
    for process in processes:
        await process.control.stop()


async def remaining_topics(process: Process) -> dict[str, list[str]]:
    await settle()
    sessions = [session for session in process.node.sessions if isinstance(session, Session)]
    for session in sessions:
        connection = session._connection
        assert isinstance(connection, FakeConnection)
        await connection.run_jobs()
    return {session.caller.user: session.topics for session in sessions}


BOTH = ["team:a", "club:a"]


@pytest.mark.parametrize(
    ("changes", "alice", "anonymous"),
    [
        ([RuleChange()], [], []),
        ([RuleChange(user="alice")], [], BOTH),
        ([RuleChange(user="")], BOTH, []),
        ([RuleChange(user="bob")], BOTH, BOTH),
        ([RuleChange(namespace="team")], ["club:a"], ["club:a"]),
        ([RuleChange(namespace="club", user="alice", topic="club:a")], ["team:a"], BOTH),
        ([RuleChange(namespace="club", topic="club:b")], BOTH, BOTH),
        (
            [RuleChange(user="alice", topic="team:a"), RuleChange(namespace="club"), RuleChange(user="bob")],
            [],
            ["team:a"],
        ),
    ],
)
async def test_rules_are_asked_again_on_every_process_for_whom_the_order_names(
    two_processes: list[Process], changes: list[RuleChange], alice: list[str], anonymous: list[str]
) -> None:
    await two_processes[0].control.send(RecheckSessions(changes=tuple(changes)))

    for process in two_processes:
        assert await remaining_topics(process) == {"alice": alice, "": anonymous}


async def test_rules_are_asked_again_by_a_call(two_processes: list[Process]) -> None:
    await two_processes[0].control.recheck("alice", namespace="team")

    for process in two_processes:
        assert await remaining_topics(process) == {"alice": ["club:a"], "": BOTH}


async def test_who_may_have_missed_orders_asks_all_rules_again(two_processes: list[Process]) -> None:
    two_processes[0].control.lost()

    assert await remaining_topics(two_processes[0]) == {"alice": [], "": []}
    assert await remaining_topics(two_processes[1]) == {"alice": BOTH, "": BOTH}


# ── What is refused ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (DisconnectSessions(), ErrorCode.BAD_REQUEST),
        (RecheckSessions(), ErrorCode.BAD_REQUEST),
        (RefreshSessions(is_expired=True), ErrorCode.BAD_REQUEST),
        (DisconnectSessions(user="42", code=1009), ErrorCode.BAD_REQUEST),
        (DisconnectSessions(user="42", code=5000), ErrorCode.BAD_REQUEST),
        (DisconnectSessions(user="42", reason="ä" * 62), ErrorCode.BAD_REQUEST),
        (UnsubscribeSessions(user="42", topic=""), ErrorCode.BAD_REQUEST),
        (UnsubscribeSessions(user="42", topic=CONTROL_TOPIC), ErrorCode.BAD_REQUEST),
        (SubscribeSessions(user="42", topic=CONTROL_TOPIC), ErrorCode.BAD_REQUEST),
        (SubscribeSessions(user="42", topic="unknown:a"), ErrorCode.UNKNOWN_TOPIC),
        (SubscribeSessions(user="42", topic="news:a", override={"history": True}), ErrorCode.BAD_REQUEST),
        (SubscribeSessions(user="42", topic="news:a", data=b"x" * MAX_ORDER_BYTES), ErrorCode.LIMIT_EXCEEDED),
    ],
)
async def test_an_order_that_cannot_be_is_refused_before_it_is_sent(
    here: Process, order: Order, code: ErrorCode
) -> None:
    with pytest.raises(CommandError) as caught:
        await here.control.send(order)

    assert caught.value.code is code
    assert (await here.end.history(CONTROL_TOPIC, policy=CONTROL_HISTORY)).publications == []


async def test_no_client_can_hear_or_send_orders(here: Process) -> None:
    client = await here.node.connect("alice")

    assert error_of(await client.subscribe(CONTROL_TOPIC)) == 107
    assert error_of(await client.publish(CONTROL_TOPIC, b"1")) == 107


async def test_an_order_that_cannot_be_sent_says_so(here: Process) -> None:
    here.end.is_away = True

    with pytest.raises(LayerUnavailable):
        await here.control.disconnect("alice")

    here.end.is_away = False


@pytest.mark.parametrize(
    "order",
    [
        DisconnectSessions(user="42", client="c", code=4000, reason="moved", keep_clients=("a", "b")),
        UnsubscribeSessions(user="42", topic="news:a", code=2500, reason="x"),
        SubscribeSessions(
            user="42",
            topic="news:a",
            info=b"\xff",
            data=b"{}",
            override={"presence": True},
            since=Position(5, "e"),
        ),
        RefreshSessions(user="42", expires_at=1_700_000_000.5, is_expired=True),
        RecheckSessions(
            changes=(RuleChange(namespace="", user="", topic="a"), RuleChange(user="42"), RuleChange())
        ),
    ],
)
def test_an_order_is_read_as_it_was_written(order: Order) -> None:
    assert decode_order(encode_order(order)) == order


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xc1",
        msgspec.msgpack.encode({"order": "promote", "user": "alice"}),
        msgspec.msgpack.encode({"order": "disconnect", "user": 42}),
        msgspec.msgpack.encode({"order": "disconnect"}),
    ],
    ids=["empty", "JSON", "no msgpack", "unknown kind", "wrong type", "for nobody"],
)
async def test_what_is_no_order_for_this_version_is_skipped(
    here: Process, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client, stranger = await here.node.connect("alice"), await here.node.connect("")

    await publish_bytes(here, data)
    skipped = [record.getMessage() for record in caplog.records]
    await here.control.disconnect("alice")

    assert (len(skipped), "skipped" in skipped[0]) == (1, True)
    assert client.close_code is CloseCode.FORCE_NO_RECONNECT
    assert stranger.close_code is None


async def test_fields_that_are_new_are_left_out(here: Process) -> None:
    client = await here.node.connect("alice")

    await publish_bytes(
        here, msgspec.msgpack.encode({"order": "disconnect", "user": "alice", "colour": "blue"})
    )

    assert client.close_code is CloseCode.FORCE_NO_RECONNECT


async def test_one_session_that_fails_keeps_no_other_from_its_order(
    here: Process, layer: SharedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    # It runs another version, which has no such namespace.
    older = await Process.on(layer).start()
    theirs, ours = await older.node.connect("alice"), await here.node.connect("alice")

    await here.control.subscribe("alice", "news:a")
    await here.control.refresh("alice")
    for client in (theirs, ours):
        await client.connection.run_jobs()

    assert [push.refresh is not None for push in theirs.pushes] == [True]
    assert len(ours.pushes) == 2
    assert [record.getMessage() for record in caplog.records] == ["order failed"]
    await older.control.stop()


async def test_orders_from_before_the_start_are_not_carried_out(here: Process, layer: SharedLayer) -> None:
    await here.control.disconnect("alice")

    late = await Process.on(layer, NEWS).start()
    client = await late.node.connect("alice")
    await settle()

    assert (client.close_code, late.losses) == (None, [])
    await late.control.stop()


async def test_it_listens_as_soon_as_the_layer_is_there(here: Process, layer: SharedLayer) -> None:
    late = Process.on(layer, NEWS)
    late.end.is_away = True
    late.control.start()
    await settle()
    assert not late.control.is_listening

    late.end.is_away = False
    await until(lambda: late.control.is_listening)
    client = await late.node.connect("alice")
    await here.control.disconnect("alice")

    assert (client.close_code, late.losses) == (CloseCode.FORCE_NO_RECONNECT, [])
    await late.control.stop()


async def test_it_goes_on_trying_whatever_the_layer_fails_with(
    here: Process, layer: SharedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    late = Process.on(layer, NEWS)
    late.end.is_broken = True
    late.control.start()
    await until(lambda: bool(caplog.records))

    late.end.is_broken = False
    await until(lambda: late.control.is_listening)

    assert {record.getMessage() for record in caplog.records} == {"listening failed"}
    await late.control.stop()


async def test_those_who_connected_before_it_listened_may_have_missed_orders(
    layer: SharedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    late = Process.on(layer, NEWS)
    late.end.is_away = True
    late.control.start()
    await settle()
    await late.node.connect("alice")

    late.end.is_away = False
    await until(lambda: bool(late.losses))

    assert late.losses == ["lost"]
    assert [record.levelno for record in caplog.records if "missed" in record.getMessage()] == [logging.ERROR]
    await late.control.stop()


async def test_orders_that_passed_a_process_by_are_carried_out_once_it_hears_again(
    here: Process, there: Process
) -> None:
    client = await there.node.connect("alice")
    there.end.is_deaf = True
    await here.control.subscribe("alice", "news:a")
    await here.control.refresh("alice")

    there.end.hear_again()
    await there.let_time_pass()
    await client.connection.run_jobs()

    assert [push.channel for push in client.pushes] == ["news:a", ""]
    assert there.losses == []


async def test_a_later_order_brings_those_that_passed_by_before_itself(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")
    there.end.is_deaf = True
    await here.control.subscribe("alice", "news:a")
    there.end.is_deaf = False

    await here.control.unsubscribe("alice", "news:a")
    await there.let_time_pass()
    await client.connection.run_jobs()

    assert [push.subscribe is not None for push in client.pushes] == [True, False]
    assert there.losses == []


async def test_a_loss_that_cannot_be_mended_is_said_and_handed_on(
    here: Process, there: Process, caplog: pytest.LogCaptureFixture
) -> None:
    client = await there.node.connect("alice")
    there.end.is_deaf = True
    await here.control.disconnect("alice")
    await here.end.remove_history(CONTROL_TOPIC)

    there.end.hear_again()
    await there.let_time_pass()
    before = client.close_code
    await here.control.disconnect("alice")

    assert (before, client.close_code) == (None, CloseCode.FORCE_NO_RECONNECT)
    assert there.losses == ["lost"]
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == [
        "realtime.control"
    ]


async def test_nothing_is_heard_after_the_stop_and_nothing_left_behind(here: Process, there: Process) -> None:
    client = await there.node.connect("alice")

    await there.control.stop()
    await there.control.stop()
    await here.control.disconnect("alice")

    assert client.close_code is None
    assert len(there.node.hub) == 0


async def test_it_may_be_stopped_before_the_layer_was_ever_there(layer: SharedLayer) -> None:
    process = Process.on(layer, NEWS)
    process.end.is_away = True
    await process.control.stop()
    process.control.start()
    await settle()

    await process.control.stop()

    assert len(process.node.hub) == 0
