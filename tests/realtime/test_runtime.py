"""The engine of a process: who may publish from where, when it is ready, and how it goes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.test import override_settings

from realtime import runtime as runtime_module
from realtime.conf import Settings
from realtime.errors import CloseCode, CommandError, ConfigurationError, PublishUnavailable
from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.runtime import Runtime, build_namespaces, get_runtime
from realtime.topics.namespace import Namespace
from realtime.topics.registry import namespaces
from tests.realtime.sessions import FakeSession

NEWS = Namespace(name="news", history_size=10, history_ttl=60)
SETTINGS = Settings(namespaces=(NEWS,), shutdown_delay_seconds=0, shutdown_spread_seconds=0)


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
