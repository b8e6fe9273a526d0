"""The engine of a process: who may publish from where, when it is ready, and how it goes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.test import override_settings

from realtime import runtime as runtime_module
from realtime.conf import Settings
from realtime.errors import CloseCode, CommandError, ConfigurationError, PublishUnavailable
from realtime.hub import Hub
from realtime.layers.base import History, HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.orders import DisconnectSessions
from realtime.runtime import Runtime, build_namespaces, get_runtime
from realtime.testing import FakeClient, TransparentCodec
from realtime.topics.namespace import Namespace
from realtime.topics.registry import namespaces
from tests.realtime.hub_stage import FakeListener
from tests.realtime.sessions import FakeSession
from tests.waiting import until

NEWS = Namespace(name="news", history_size=10, history_ttl=60, allow_subscribe_for_client=True)
SETTINGS = Settings(
    token_hmac_secret="a secret of the tests, long enough for HS256",
    namespaces=(NEWS,),
    shutdown_delay_seconds=0,
    shutdown_spread_seconds=0,
    # These tests have no database.
    outbox_relay=False,
)


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    runtime = Runtime(SETTINGS, MemoryTopicLayer())
    runtime.start()
    yield runtime
    await runtime.stop()


async def test_code_in_a_thread_publishes_and_gets_the_position(runtime: Runtime) -> None:
    published = await asyncio.to_thread(runtime.publish_blocking, "news:a", b"1", idempotency_key="a")
    again = await asyncio.to_thread(runtime.publish_blocking, "news:a", b"1", idempotency_key="a")

    history = await runtime.layer.history("news:a", policy=HistoryPolicy(size=10, ttl_seconds=60))
    assert (published.position, published.is_repeat) == (history.top, False)
    assert (again.position, again.is_repeat) == (history.top, True)


async def test_code_in_a_thread_is_told_what_cannot_be_published(runtime: Runtime) -> None:
    with pytest.raises(CommandError, match="102 unknown channel"):
        await asyncio.to_thread(runtime.publish_blocking, "unknown:a", b"1")


async def test_code_on_the_loop_is_told_to_await_instead(runtime: Runtime) -> None:
    with pytest.raises(PublishUnavailable, match=r"await get_runtime\(\)\.publisher\.publish"):
        runtime.publish_blocking("news:a", b"1")


def test_a_process_that_serves_nobody_cannot_publish() -> None:
    runtime = Runtime(SETTINGS, MemoryTopicLayer())

    with pytest.raises(PublishUnavailable, match="Publish from the server's process"):
        runtime.publish_blocking("news:a", b"1")


async def test_a_process_is_ready_from_its_start_until_it_drains() -> None:
    runtime = Runtime(SETTINGS, MemoryTopicLayer())
    states = [runtime.is_ready]

    runtime.start()
    await until(lambda: runtime.is_ready)
    states.append(runtime.is_ready)
    await runtime.drain()
    states.append(runtime.is_ready)
    await runtime.stop()

    assert states == [False, True, False]


async def test_draining_closes_the_sessions_with_shutdown(runtime: Runtime) -> None:
    session = FakeSession()
    runtime.sessions.open(session)

    await runtime.drain()

    assert session.code is CloseCode.SHUTDOWN


async def test_code_in_a_thread_gives_orders_to_sessions(runtime: Runtime) -> None:
    await until(lambda: runtime.control.is_listening)
    session = FakeSession()
    runtime.sessions.claim(session, "42")

    await asyncio.to_thread(runtime.send_order_blocking, DisconnectSessions(user="42"))

    assert session.code is CloseCode.FORCE_NO_RECONNECT


async def test_code_on_the_loop_is_told_to_await_its_orders(runtime: Runtime) -> None:
    with pytest.raises(PublishUnavailable, match=r"await get_runtime\(\)\.control\.send"):
        runtime.send_order_blocking(DisconnectSessions(user="42"))


async def test_starting_once_more_on_the_same_loop_changes_nothing(runtime: Runtime) -> None:
    before = asyncio.all_tasks()

    runtime.start()

    assert asyncio.all_tasks() == before


async def test_nothing_goes_on_after_the_stop() -> None:
    before = asyncio.all_tasks()
    runtime = Runtime(SETTINGS, MemoryTopicLayer())
    runtime.start()
    await until(lambda: runtime.control.is_listening)

    await runtime.stop()

    assert (asyncio.all_tasks(), len(runtime.hub)) == (before, 0)


async def test_a_process_tells_what_it_has_to_do(runtime: Runtime) -> None:
    await until(lambda: runtime.control.is_listening)
    alice, again = [FakeClient(runtime.node, TransparentCodec()) for _ in range(2)]
    for client in (alice, again):
        await client.connect(runtime.token_signer.connection(user="alice", ttl_seconds=60))
        await client.subscribe("news:a")
    await alice.subscribe("news:b")

    [busy] = runtime.nodes.nodes()
    for client in (alice, again):
        await client.leave()
    [idle] = runtime.nodes.nodes()

    assert busy.name == f"{socket.gethostname()}:{os.getpid()}"
    assert (busy.clients, busy.users, busy.topics, busy.subscriptions) == (2, 1, 2, 3)
    assert (idle.clients, idle.users, idle.topics, idle.subscriptions) == (0, 0, 0, 0)


async def test_the_machine_may_be_given_a_name() -> None:
    runtime = Runtime(Settings(node_name="left"), MemoryTopicLayer())

    assert [node.name for node in runtime.nodes.nodes()] == [f"left:{os.getpid()}"]


class SharedLayer(MemoryTopicLayer):
    """As if there were other processes. `history` takes as long as the test wants."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.reads = 0

    async def history(self, topic: str, **options: Any) -> History:
        self.reads += 1
        await self.goes_on.wait()
        return await super().history(topic, **options)


async def test_positions_are_watched_where_a_layer_may_lose_something_until_the_process_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intervals: list[float] = []
    has_begun, has_ended = asyncio.Event(), asyncio.Event()

    async def watch(_: Hub, *, interval_seconds: float) -> None:
        intervals.append(interval_seconds)
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            has_ended.set()

    monkeypatch.setattr(Hub, "watch_positions", watch)
    alone, shared = Runtime(SETTINGS, MemoryTopicLayer()), Runtime(SETTINGS, SharedLayer())
    before = asyncio.all_tasks()

    alone.start()
    shared.start()
    shared.start()
    await asyncio.wait_for(has_begun.wait(), 5)
    await alone.stop()
    await shared.stop()

    assert (intervals, has_ended.is_set()) == ([SETTINGS.position_check_seconds], True)
    assert asyncio.all_tasks() == before


async def test_a_repair_that_is_under_way_ends_with_the_process() -> None:
    layer = SharedLayer()
    runtime = Runtime(SETTINGS, layer)
    runtime.start()
    policy = HistoryPolicy(size=10, ttl_seconds=60)
    layer.goes_on.set()
    await runtime.hub.listen("news:a", FakeListener(), history=policy)
    layer.goes_on.clear()
    reads = layer.reads

    runtime.hub.doubt(["news:a"])
    await until(lambda: layer.reads > reads)
    await runtime.stop()

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_of_the_engine_that_fails_says_so(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("here")

    runtime._spawn(fail())

    await until(lambda: "a task of the engine failed" in caplog.text)
    assert "ValueError: here" in caplog.text


def test_the_settings_namespaces_come_on_top_of_the_features() -> None:
    names = {namespace.name for namespace in build_namespaces(SETTINGS)}

    assert {"chat", "news"} <= names
    assert "news" not in {namespace.name for namespace in namespaces}


def test_the_runtime_is_one_for_the_process() -> None:
    assert get_runtime() is get_runtime()


@pytest.mark.parametrize(
    "layers", [{"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, {}], ids=["another", "none"]
)
def test_a_layer_that_is_no_topic_layer_is_refused_with_the_one_to_set(
    layers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "_runtime", None)

    with (
        override_settings(CHANNEL_LAYERS=layers),
        pytest.raises(ConfigurationError, match=r"realtime\.layers\.memory\.MemoryTopicLayer"),
    ):
        get_runtime()
