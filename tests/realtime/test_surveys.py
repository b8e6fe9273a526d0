"""Which topics have subscribers on which process: asked by one, answered by all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from realtime import surveys
from realtime.errors import CommandError, LayerUnavailable
from realtime.messages import Publication
from realtime.nodes import NodeInfo
from realtime.surveys import QUESTIONS_TOPIC, Surveys
from realtime.topics.namespace import Namespace
from tests.realtime.shared_layer import SharedLayer
from tests.waiting import until

OPEN = Namespace(name="open", allow_subscribe_for_client=True)


class Process:
    """An engine with its end of surveys; it believes in the processes that `nodes` holds."""

    def __init__(self, layer: SharedLayer, name: str, nodes: list[NodeInfo]) -> None:
        self.node, self.end = layer.node(OPEN)
        self.tasks: list[asyncio.Task[None]] = []
        nodes.append(NodeInfo(id=name, name=name))
        self.surveys = Surveys(
            layer=self.end,
            hub=self.node.hub,
            nodes=lambda: nodes,
            process_id=name,
            spawn=self._spawn,
        )
        self.surveys.start()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def subscribe(self, *topics: str) -> None:
        client = await self.node.connect()
        for topic in topics:
            await client.subscribe(topic)

    @property
    def is_listening(self) -> bool:
        return all(listening.is_listening for listening in self.surveys._listening)


Start = Callable[[str], Process]


@pytest.fixture
async def nodes() -> list[NodeInfo]:
    return []


@pytest.fixture
async def start(nodes: list[NodeInfo]) -> AsyncIterator[Start]:
    layer, processes = SharedLayer(), []

    def start(name: str) -> Process:
        processes.append(Process(layer, name, nodes))
        return processes[-1]

    yield start
    for process in processes:
        process.end.is_away = False
        await process.surveys.stop()
        await asyncio.gather(*process.tasks)


async def both(start: Start) -> tuple[Process, Process]:
    left, right = start("left"), start("right")
    await until(lambda: left.is_listening and right.is_listening)
    return left, right


async def test_a_process_alone_answers_itself(start: Start) -> None:
    process = start("left")
    await process.subscribe("open:a", "open:b")
    await process.subscribe("open:a")

    assert await process.surveys.topics() == {"open:a": 2, "open:b": 1}


async def test_the_counts_of_all_processes_are_added_up(start: Start) -> None:
    left, right = await both(start)
    await left.subscribe("open:a", "open:b")
    await right.subscribe("open:a", "open:c")

    assert await left.surveys.topics() == {"open:a": 2, "open:b": 1, "open:c": 1}
    assert await right.surveys.topics("open:[bc]") == {"open:b": 1, "open:c": 1}
    assert not left.surveys._open


async def test_many_topics_come_in_several_answers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "TOPICS_PER_ANSWER", 3)
    left, right = await both(start)
    await right.subscribe(*(f"open:{number}" for number in range(9)))

    assert len(await left.surveys.topics()) == 9


async def test_a_process_that_does_not_answer_is_named(
    start: Start, nodes: list[NodeInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveys, "ANSWER_SECONDS", 0.05)
    left, _ = await both(start)
    nodes.append(NodeInfo(id="gone", name="gone"))

    with pytest.raises(LayerUnavailable, match="no answer from gone"):
        await left.surveys.topics()

    assert not left.surveys._open


async def test_nobody_is_asked_before_answers_can_be_heard(start: Start) -> None:
    left, _ = await both(start)
    await left.surveys.stop()

    with pytest.raises(LayerUnavailable):
        await left.surveys.topics()


async def test_a_bad_pattern_is_refused_before_anybody_is_asked(start: Start) -> None:
    left, right = await both(start)

    with pytest.raises(CommandError):
        await left.surveys.topics("{")

    assert not right.tasks


async def test_a_word_of_another_version_is_skipped(start: Start) -> None:
    left, right = await both(start)
    await right.subscribe("open:a")

    await left.end.publish(QUESTIONS_TOPIC, Publication(data=Raw(b"\xc1")))

    assert await left.surveys.topics() == {"open:a": 1}
