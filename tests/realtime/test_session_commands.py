"""Publish, history, presence, RPC and send: what is answered, and with which error."""

from typing import Any

import pytest
from msgspec import Raw

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.messages import (
    ClientInfo,
    Command,
    HistoryRequest,
    PingRequest,
    Position,
    PresenceResult,
    PresenceStatsResult,
    Reply,
)
from realtime.testing import ManualNode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.realtime.replies import error_of, history, offsets

OPEN = Namespace(
    name="open",
    history_size=3,
    history_ttl=60,
    presence=True,
    allow_subscribe_for_client=True,
    allow_publish_for_client=True,
    allow_history_for_client=True,
    allow_presence_for_client=True,
)
CLOSED = Namespace(name="closed", history_size=3, history_ttl=60, presence=True)
BARE = Namespace(name="bare", allow_publish_for_client=True, allow_history_for_client=True)
ALL = (OPEN, CLOSED, BARE)


def ok(reply: Reply | None) -> bool:
    assert reply is not None, "no reply came"
    return reply.error is None


# ── Publish ───────────────────────────────────────────────────────────────────────────────────


async def test_a_publication_reaches_its_publisher_and_others_with_who_published_it() -> None:
    node = ManualNode(*ALL)
    alice, bob = node.open(), await node.connect("bob")
    await alice.connect(node.token("alice", info={"name": "Alice"}))
    for client in (alice, bob):
        await client.subscribe("open:a")

    assert ok(await alice.publish("open:a", b'{"text":"hi"}'))
    node.scheduler.run()

    [publication] = bob.received_publications()
    info = ClientInfo(user="alice", client=alice.id, conn_info=Raw(b'{"name":"Alice"}'))
    assert (bytes(publication.data), publication.offset) == (b'{"text":"hi"}', 1)
    assert publication.info == info
    assert alice.received_data() == [b'{"text":"hi"}']


@pytest.mark.parametrize(
    ("topic", "data", "code"),
    [
        ("closed:a", b"1", 103),
        ("unknown:a", b"1", 102),
        ("", b"1", 107),
        ("open:a", b"", 107),
        ("open:a", b"x" * 101, 106),
        ("$open:a", b"1", 103),
        ("open:dialog#43", b"1", 103),
    ],
)
async def test_what_may_not_be_published_is_refused(topic: str, data: bytes, code: int) -> None:
    node = ManualNode(*ALL, max_publication_bytes=100)
    client = await node.connect("42")

    assert error_of(await client.publish(topic, data)) == code
    assert node.memory._logs == {}


async def test_a_right_of_subscribers_ends_with_the_subscription() -> None:
    node = ManualNode(Namespace(name="", allow_subscribe_for_client=True, allow_publish_for_subscriber=True))
    client = await node.connect()
    assert error_of(await client.publish("a", b"1")) == 103

    await client.subscribe("a")
    assert ok(await client.publish("a", b"1"))

    await client.unsubscribe("a")
    assert error_of(await client.publish("a", b"1")) == 103


@pytest.mark.parametrize(("replaced", "published"), [(b'"new"', b'"new"'), (None, b'"old"')])
async def test_a_hook_may_replace_what_is_published(replaced: bytes | None, published: bytes) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def on_publish(caller: Caller, topic: TopicName, data: bytes) -> bytes | None:
        seen.append((caller.user, topic.text, data))
        return replaced

    node = ManualNode(
        Namespace(
            name="", allow_subscribe_for_client=True, allow_publish_for_client=True, on_publish=on_publish
        )
    )
    client = await node.connect("42")
    await client.subscribe("a")

    assert ok(await client.publish("a", b'"old"'))
    node.scheduler.run()

    assert client.received_data() == [published]
    assert seen == [("42", "a", b'"old"')]


async def test_a_hook_may_refuse_a_publication_with_an_error_of_its_choice() -> None:
    async def on_publish(caller: Caller, topic: TopicName, data: bytes) -> bytes:
        raise CommandError(ErrorCode.TOO_MANY_REQUESTS, f"{caller.user} {topic} {data!r}")

    node = ManualNode(
        Namespace(
            name="", allow_subscribe_for_client=True, allow_publish_for_client=True, on_publish=on_publish
        )
    )
    client = await node.connect()
    await client.subscribe("a")

    reply = await client.publish("a", b"1")
    node.scheduler.run()

    assert error_of(reply) == 111
    assert reply is not None
    assert reply.error is not None
    assert (reply.error.message, reply.error.temporary) == ("too many requests", True)
    assert client.received_data() == []


async def test_hooks_of_publishing_are_for_clients_and_not_for_the_server() -> None:
    def on_publish(caller: Caller, topic: TopicName, data: bytes) -> bytes:
        raise CommandError(ErrorCode.PERMISSION_DENIED, f"{caller} {topic} {data!r}")

    node = ManualNode(Namespace(name="", allow_subscribe_for_client=True, on_publish=on_publish))
    client = await node.connect()
    await client.subscribe("a")

    await node.publish("a", b"1")

    assert client.received_data() == [b"1"]


# ── History ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (HistoryRequest("open:a"), []),
        (HistoryRequest("open:a", limit=-1), [3, 4, 5]),
        (HistoryRequest("open:a", limit=2), [3, 4]),
        (HistoryRequest("open:a", limit=99), [3, 4, 5]),
        (HistoryRequest("open:a", limit=-1, reverse=True), [5, 4, 3]),
        (HistoryRequest("open:a", limit=1, reverse=True), [5]),
        (HistoryRequest("open:a", limit=-1, since=Position(4, "epoch1")), [5]),
        (HistoryRequest("open:a", limit=-1, since=Position(4)), [5]),
        (HistoryRequest("open:a", limit=-1, since=Position(5, "epoch1")), []),
        (HistoryRequest("open:a", limit=-1, since=Position(5, "epoch1"), reverse=True), [4, 3]),
    ],
)
async def test_history_is_answered_as_it_was_asked_for(request_: HistoryRequest, expected: list[int]) -> None:
    node = ManualNode(*ALL)
    for number in range(5):
        await node.publish("open:a", b"%d" % number)

    result = history(await (await node.connect()).history(request_))

    assert offsets(result.publications) == expected
    assert (result.offset, result.epoch) == (5, "epoch1")


@pytest.mark.parametrize(
    ("topic", "since", "code"),
    [
        ("closed:a", None, 103),
        ("bare:a", None, 108),
        ("unknown:a", None, 102),
        ("", None, 107),
        ("open:a", Position(1, "other"), 112),
    ],
)
async def test_history_that_cannot_be_had_is_refused(topic: str, since: Position | None, code: int) -> None:
    client = await ManualNode(*ALL).connect()

    assert error_of(await client.history(HistoryRequest(topic, limit=-1, since=since))) == code


# ── Presence ──────────────────────────────────────────────────────────────────────────────────


async def test_presence_lists_and_counts_who_is_there() -> None:
    node = ManualNode(*ALL)
    clients = [await node.connect(user) for user in ("alice", "alice", "bob")]
    for client in clients:
        await client.subscribe("open:a")

    members, stats = await clients[0].presence("open:a"), await clients[0].presence_stats("open:a")

    assert members is not None
    assert members.presence == PresenceResult(
        {client.id: ClientInfo(user=client.session.caller.user, client=client.id) for client in clients}
    )
    assert stats is not None
    assert stats.presence_stats == PresenceStatsResult(num_clients=3, num_users=2)


async def test_who_left_or_lost_the_socket_is_no_longer_present() -> None:
    node = ManualNode(*ALL)
    stays, leaves, goes = [await node.connect(user) for user in ("1", "2", "3")]
    for client in (stays, leaves, goes):
        await client.subscribe("open:a")

    await leaves.unsubscribe("open:a")
    await goes.leave()

    assert set(await node.presence.members("open:a")) == {stays.id}


@pytest.mark.parametrize(
    ("topic", "code"), [("closed:a", 103), ("bare:a", 108), ("unknown:a", 102), ("", 107)]
)
async def test_presence_that_cannot_be_had_is_refused(topic: str, code: int) -> None:
    client = await ManualNode(*ALL).connect()

    assert error_of(await client.presence(topic)) == code
    assert error_of(await client.presence_stats(topic)) == code


# ── RPC and send ──────────────────────────────────────────────────────────────────────────────


async def test_a_method_is_called_with_the_caller_and_its_result_comes_back() -> None:
    node = ManualNode()

    @node.methods.register("greet")
    async def greet(caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        return {"hello": caller.user, **data}

    reply = await (await node.connect("42")).rpc("greet", b'{"a":1}')

    assert reply is not None
    assert reply.rpc is not None
    assert bytes(reply.rpc.data) == b'{"hello":"42","a":1}'


@pytest.mark.parametrize(
    ("method", "data", "code"),
    [("unknown", b"", 104), ("strict", b'"text"', 107), ("refuses", b"1", 111), ("crashes", b"1", 100)],
)
async def test_a_call_that_fails_is_answered_with_its_error(method: str, data: bytes, code: int) -> None:
    node = ManualNode()

    @node.methods.register("strict")
    def strict(caller: Caller, data: int) -> None: ...

    @node.methods.register("refuses")
    def refuses(caller: Caller, data: int) -> None:
        raise CommandError(ErrorCode.TOO_MANY_REQUESTS, "later")

    @node.methods.register("crashes")
    def crashes(caller: Caller, data: int) -> None:
        raise ZeroDivisionError

    client = await node.connect()

    assert error_of(await client.rpc(method, data)) == code
    assert client.close_code is None


async def test_a_result_that_is_not_json_is_an_internal_error() -> None:
    node = ManualNode()

    @node.methods.register("odd")
    def odd(caller: Caller, data: bytes) -> object:
        return object()

    assert error_of(await (await node.connect()).rpc("odd")) == 100


async def test_what_a_client_sends_reaches_the_handlers_and_gets_no_reply() -> None:
    node, got = ManualNode(), []

    @node.methods.on_message
    def keep(caller: Caller, data: dict[str, Any]) -> None:
        got.append((caller.user, data))

    client = await node.connect("42")
    before = len(client.connection.received)

    await client.send(b'{"a":1}')
    await client.send(b"no JSON")

    assert got == [("42", {"a": 1})]
    assert (len(client.connection.received), client.close_code) == (before, None)


# ── The rest ──────────────────────────────────────────────────────────────────────────────────


async def test_a_command_that_is_unknown_is_not_found() -> None:
    client = await ManualNode().connect()

    assert error_of(await client.command(Command())) == 104
    assert client.close_code is None


async def test_the_ping_of_an_old_client_is_answered() -> None:
    reply = await (await ManualNode().connect()).command(Command(ping=PingRequest()))

    assert reply is not None
    assert reply.ping is not None


async def test_a_closed_session_answers_nothing() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await client.leave()

    assert await client.publish("open:a", b"1") is None
    assert node.memory._logs == {}
