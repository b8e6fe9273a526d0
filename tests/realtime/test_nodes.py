"""Which processes know of which: how they come, what they tell, and how they go."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from realtime import nodes
from realtime.layers.base import HistoryPolicy
from realtime.messages import Publication
from realtime.nodes import GRACE_SECONDS, MISSED_ANNOUNCEMENTS, NODES_TOPIC, NodeInfo, NodeRegistry
from tests.realtime.layers import settle
from tests.realtime.replies import error_of
from tests.realtime.shared_layer import SharedLayer
from tests.waiting import until

FOR_EVER = 3600.0


class Process:
    """A registry on its own end of the layer. Its clock stands still unless the test moves it on."""

    def __init__(self, layer: SharedLayer, name: str, number: int, interval_seconds: float) -> None:
        self.node, self.end = layer.node()
        self.info = NodeInfo(id=f"id{number}", name=name)
        self.registry = NodeRegistry(
            layer=self.end,
            hub=self.node.hub,
            describe=lambda: self.info,
            interval_seconds=interval_seconds,
            monotonic=self.node.clock,
            rng=random.Random(number),  # noqa: S311  # The same pauses in every run.
        )

    def names(self) -> list[str]:
        return [node.name for node in self.registry.nodes()]

    async def die(self) -> None:
        """As if it were killed: it says no goodbye."""
        await self.registry._listening.stop()

    async def say(self, data: bytes) -> None:
        await self.end.publish(NODES_TOPIC, Publication(data=Raw(data)))


Start = Callable[..., Process]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """start("name", interval_seconds=…): another process on the same layer, announcing itself from now on."""
    layer = SharedLayer()
    processes: list[Process] = []

    def start(name: str, *, interval_seconds: float = 0.05) -> Process:
        process = Process(layer, name, len(processes), interval_seconds)
        process.registry.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.end.is_away = False
        await process.registry.stop()


async def test_a_node_knows_itself_at_once(start: Start) -> None:
    assert start("left").names() == ["left"]


async def test_all_know_all_by_name(start: Start) -> None:
    processes = [start(name) for name in ("left", "right", "middle")]

    await until(lambda: all(len(process.names()) == 3 for process in processes))

    assert {tuple(process.names()) for process in processes} == {("left", "middle", "right")}


async def test_a_new_node_is_answered_before_anybodys_turn(start: Start) -> None:
    processes = [start("old", interval_seconds=FOR_EVER), start("older", interval_seconds=FOR_EVER)]
    await until(lambda: all(len(process.names()) == 2 for process in processes))

    new = start("new", interval_seconds=FOR_EVER)

    await until(lambda: all(len(process.names()) == 3 for process in (*processes, new)))


async def test_nodes_of_one_name_are_told_apart(start: Start) -> None:
    here = start("web")
    start("web")

    await until(lambda: len(here.names()) == 2)

    assert [node.id for node in here.registry.nodes()] == ["id0", "id1"]


async def test_a_node_tells_how_it_is_by_and_by(start: Start) -> None:
    here, there = start("here"), start("there")

    there.info = structs.replace(there.info, clients=5, users=3, topics=7, subscriptions=9, is_draining=True)

    await until(lambda: there.info in here.registry.nodes())


async def test_a_node_that_falls_silent_is_gone_after_three_announcements_and_a_grace(start: Start) -> None:
    here, there = start("here", interval_seconds=FOR_EVER), start("there", interval_seconds=10)
    await until(lambda: here.names() == ["here", "there"])
    await there.die()

    here.node.clock.advance(MISSED_ANNOUNCEMENTS * 10 + GRACE_SECONDS - 0.001)
    before = here.names()
    here.node.clock.advance(0.001)

    assert (before, here.names()) == (["here", "there"], ["here"])


async def test_the_dead_are_forgotten(start: Start) -> None:
    here, there = start("here"), start("there")
    await until(lambda: len(here.names()) == 2)
    await there.die()

    here.node.clock.advance(FOR_EVER)

    await until(lambda: here.registry._heard == {})


async def test_a_node_that_stops_is_gone_at_once(start: Start) -> None:
    here, there = start("here"), start("there")
    await until(lambda: len(here.names()) == 2)

    await there.registry.stop()

    assert here.names() == ["here"]
    assert len(there.node.hub) == 0


async def test_nodes_find_each_other_again_after_the_layer_was_away(start: Start) -> None:
    here, there = start("here"), start("there")
    await until(lambda: len(here.names()) == 2)
    here.end.is_away = there.end.is_away = True
    for process in (here, there):
        process.node.clock.advance(FOR_EVER)
    await until(lambda: here.names() == ["here"])

    here.end.is_away = there.end.is_away = False

    await until(lambda: len(here.names()) == len(there.names()) == 2)


async def test_a_node_that_started_without_the_layer_is_known_once_it_is_there(start: Start) -> None:
    here = start("here", interval_seconds=FOR_EVER)
    late = start("late", interval_seconds=FOR_EVER)
    late.end.is_away = True
    await settle()
    assert late.names() == ["late"]

    late.end.is_away = False

    await until(lambda: here.names() == late.names() == ["here", "late"])


async def test_it_goes_on_announcing_whatever_the_layer_fails_with(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = start("here"), start("there")
    await until(lambda: len(here.names()) == 2)
    there.end.is_broken = True
    here.node.clock.advance(FOR_EVER)
    await until(lambda: bool(caplog.records))

    there.end.is_broken = False

    await until(lambda: len(here.names()) == 2)
    assert {record.getMessage() for record in caplog.records} == {"announcing this node failed"}


async def test_stopping_does_not_wait_for_a_layer_that_hangs(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start("left", interval_seconds=FOR_EVER)
    await settle()

    async def hang(*arguments: Any, **options: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(process.end, "publish", hang)
    monkeypatch.setattr(nodes, "GOODBYE_SECONDS", 0.01)

    async with asyncio.timeout(5):
        await process.registry.stop()


async def test_what_never_started_stops_in_silence(start: Start) -> None:
    here = start("here")
    never = Process(SharedLayer(), "never", 7, 1)

    await never.registry.stop()

    assert here.names() == ["here"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        msgspec.msgpack.encode({"node": "promoted", "id": "id1"}),
        msgspec.msgpack.encode({"node": "announced", "info": {"id": 5}, "holds_seconds": 9}),
    ],
    ids=["empty", "JSON", "unknown kind", "wrong type"],
)
async def test_what_another_version_says_is_skipped(start: Start, data: bytes) -> None:
    here = start("here", interval_seconds=FOR_EVER)
    await until(lambda: here.registry._listening.is_listening)

    await here.say(data)
    start("there")

    await until(lambda: here.names() == ["here", "there"])


async def test_what_a_newer_version_tells_on_top_is_left_out(start: Start) -> None:
    here = start("here", interval_seconds=FOR_EVER)
    await until(lambda: here.registry._listening.is_listening)
    info = {"id": "id9", "name": "newer", "clients": 3, "colour": "blue"}

    await here.say(msgspec.msgpack.encode({"node": "announced", "info": info, "holds_seconds": 9}))

    assert here.registry.nodes()[1] == NodeInfo(id="id9", name="newer", clients=3)


async def test_announcements_fill_no_log_and_reach_no_client(start: Start) -> None:
    here, there = start("here"), start("there")
    await until(lambda: len(here.names()) == len(there.names()) == 2)
    client = await here.node.connect()

    history = await here.end.history(NODES_TOPIC, policy=HistoryPolicy(size=10, ttl_seconds=60))

    assert history.publications == []
    assert error_of(await client.subscribe(NODES_TOPIC)) == 107
