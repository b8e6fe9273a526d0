"""When the layer, a hook or the socket fails: one answer, no harm to others, nothing left behind."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from realtime.caller import Caller
from realtime.messages import ClientInfo, HistoryRequest
from realtime.presence.base import PresenceStats
from realtime.presence.memory import MemoryPresence
from realtime.testing import FakeClient, ManualNode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.realtime.layers import FailingLayer, GatedLayer, LayerAway, settle
from tests.realtime.replies import connected, error_of, subscribed

ROOM = Namespace(
    name="room",
    history_size=10,
    history_ttl=60,
    force_recovery=True,
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    allow_subscribe_for_client=True,
    allow_publish_for_client=True,
    allow_history_for_client=True,
)


class FailingPresence(MemoryPresence):
    """Raises LayerAway from the methods in `failing`."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()

    async def add(
        self, topic: str, info: ClientInfo, *, is_listed: bool = True, is_announced: bool = False
    ) -> None:
        self._fail("add")
        await super().add(topic, info, is_listed=is_listed, is_announced=is_announced)

    async def remove(self, topic: str, client: str) -> None:
        self._fail("remove")
        await super().remove(topic, client)

    async def stats(self, topic: str) -> PresenceStats:
        self._fail("stats")
        return await super().stats(topic)

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise LayerAway(name)


def failing_node(*namespaces: Namespace) -> tuple[ManualNode, FailingLayer]:
    node = ManualNode(*(namespaces or (ROOM,)), wrap_layer=FailingLayer)
    assert isinstance(node.layer, FailingLayer)
    return node, node.layer


def gated_node() -> tuple[ManualNode, GatedLayer]:
    node = ManualNode(ROOM, wrap_layer=GatedLayer)
    assert isinstance(node.layer, GatedLayer)
    return node, node.layer


def start(doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(doing)


# ── A layer that is away ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failing", ["subscribe", "history"])
async def test_a_subscription_that_fails_leaves_nothing_behind_and_may_be_repeated(failing: str) -> None:
    node, layer = failing_node()
    client = await node.connect()
    layer.failing = {failing}

    reply = await client.subscribe("room:a")

    assert error_of(reply) == 100
    assert (len(node.hub), node.memory._subscribed, client.session.topics) == (0, set(), [])
    assert await node.presence.members("room:a") == {}
    layer.failing = set()
    subscribed(await client.subscribe("room:a"))


async def test_a_subscription_whose_presence_fails_leaves_nothing_behind() -> None:
    presence = FailingPresence()
    node = ManualNode(ROOM, presence=presence)
    client = await node.connect()
    presence.failing = {"add", "remove"}

    assert error_of(await client.subscribe("room:a")) == 100
    assert (len(node.hub), node.memory._subscribed, client.session.topics) == (0, set(), [])


async def test_a_connect_that_fails_leaves_nothing_behind_and_may_be_repeated() -> None:
    node, layer = failing_node()
    client, token = node.open(), node.token("42", topics=("room:a", "room:b"))
    layer.failing = {"history"}

    assert error_of(await client.connect(token)) == 100

    assert (len(node.hub), node.memory._subscribed) == (0, set())
    layer.failing = set()
    assert set(connected(await client.connect(token)).subs) == {"room:a", "room:b"}


async def test_a_publish_or_a_history_that_fails_is_worth_a_retry() -> None:
    node, layer = failing_node()
    client = await node.connect()
    layer.failing = {"publish", "history"}

    published = await client.publish("room:a", b"1")

    assert error_of(published) == 100
    assert published is not None
    assert published.error is not None
    assert published.error.temporary
    assert error_of(await client.history(HistoryRequest("room:a"))) == 100
    assert client.close_code is None


@pytest.mark.parametrize("failing", ["broadcast", "unsubscribe"])
async def test_an_end_that_fails_halfway_is_an_end_all_the_same(failing: str) -> None:
    node, layer = failing_node()
    client = await node.connect()
    await client.subscribe("room:a")
    layer.failing = {failing}

    reply = await client.unsubscribe("room:a")

    assert reply is not None
    assert reply.error is None
    assert client.session.topics == []
    assert (len(node.hub), await node.presence.members("room:a")) == (0, {})


@pytest.mark.parametrize("failing", ["broadcast", "unsubscribe"])
async def test_a_client_that_goes_while_the_layer_is_away_leaves_no_topic_behind(failing: str) -> None:
    node, layer = failing_node()
    client = await node.connect()
    for topic in ("room:a", "room:b"):
        await client.subscribe(topic)
    layer.failing = {failing}

    await client.leave()

    node.scheduler.run()
    assert (len(node.hub), len(node.sessions)) == (0, 0)
    for topic in ("room:a", "room:b"):
        assert await node.presence.members(topic) == {}


async def test_a_join_that_cannot_be_told_is_no_error_after_the_reply() -> None:
    node, layer = failing_node()
    client = await node.connect()
    layer.failing = {"broadcast"}

    subscribed(await client.subscribe("room:a"))

    assert client.session.topics == ["room:a"]


# ── Hooks that fail ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hook", ["can_subscribe", "can_publish", "on_publish"])
async def test_a_hook_that_crashes_denies_and_costs_nobody_the_connection(hook: str) -> None:
    node = ManualNode(
        Namespace.from_options(
            "", {"allow_subscribe_for_client": True, "allow_publish_for_client": True, hook: crash}
        )
    )
    client = await node.connect()

    reply = await (client.subscribe("a") if hook == "can_subscribe" else client.publish("a", b"1"))

    assert error_of(reply) == 100
    assert (client.close_code, len(node.hub)) == (None, 0)


async def test_a_hook_that_crashes_after_the_beginning_does_not_undo_it() -> None:
    node = ManualNode(
        Namespace(name="", allow_subscribe_for_client=True, on_subscribe=crash, on_unsubscribe=crash)
    )
    client = await node.connect()

    subscribed(await client.subscribe("a"))
    assert client.session.topics == ["a"]

    reply = await client.unsubscribe("a")
    assert reply is not None
    assert reply.error is None
    assert client.session.topics == []


async def test_one_topics_hook_does_not_keep_the_others_from_being_announced() -> None:
    told: list[str] = []

    def on_subscribe(caller: Caller, topic: TopicName) -> None:
        told.append(topic.text)
        if topic.key == "a":
            crash(caller, topic)

    node = ManualNode(Namespace(name="", on_subscribe=on_subscribe))
    client = node.open()

    connected(await client.connect(node.token("42", topics=("a", "b"))))

    assert told == ["a", "b"]


def crash(*args: object) -> Any:
    raise ZeroDivisionError(args)


# ── A socket that goes in the middle of everything ────────────────────────────────────────────


async def end(client: FakeClient, doing: asyncio.Task[Any]) -> None:
    """As the pump does: the command that is under way is carried out, then the session closes."""
    await doing
    await client.leave()


ACTIONS: dict[str, Callable[[FakeClient], Coroutine[Any, Any, Any]]] = {
    "subscribe": lambda client: client.subscribe("room:b"),
    "unsubscribe": lambda client: client.unsubscribe("room:a"),
    "publish": lambda client: client.publish("room:a", b"1"),
    "history": lambda client: client.history(HistoryRequest("room:a", limit=-1)),
}


@pytest.mark.parametrize("action", list(ACTIONS))
async def test_a_client_that_goes_in_the_middle_of_a_command_leaves_nothing_behind(
    action: str,
) -> None:
    node, layer = gated_node()
    client = await node.connect()
    await client.subscribe("room:a")
    layer.gated = {"subscribe", "unsubscribe", "history", "publish", "broadcast"}

    doing = start(ACTIONS[action](client))
    await settle()
    ending = start(end(client, doing))
    while layer.gates:
        layer.open()
        await settle()
    await ending

    node.scheduler.run()
    assert node.count_left_behind() == {}


@pytest.mark.parametrize("action", list(ACTIONS))
async def test_a_command_that_is_cancelled_leaves_nothing_behind_once_the_session_closes(
    action: str,
) -> None:
    node, layer = gated_node()
    client = await node.connect()
    await client.subscribe("room:a")
    layer.gated = {"subscribe", "unsubscribe", "history", "publish", "broadcast"}
    doing = start(ACTIONS[action](client))
    await settle()

    doing.cancel()
    await settle()
    layer.open_all()
    await asyncio.wait([doing])
    await client.leave()

    node.scheduler.run()
    assert doing.cancelled()
    left_behind = node.count_left_behind()
    # The call to the layer was cancelled, and so was what it should have done.
    left_behind.pop("layer subscriptions", None)
    assert left_behind == {}


async def test_a_connect_under_way_when_the_server_disconnects_leaves_nothing_behind() -> None:
    node, layer = gated_node()
    client = node.open()
    layer.gated = {"history"}
    doing = start(client.connect(node.token("42", topics=("room:a", "room:b"))))
    await settle()

    await node.advance(11, client)
    layer.open_all()
    await doing
    await client.leave()

    assert client.connection.received == []
    assert node.count_left_behind() == {}
