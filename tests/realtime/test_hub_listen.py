"""Listening to a topic inside the process: every publication once and in order, from the log's top on."""

import asyncio

import pytest
from msgspec import Raw

from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import Publication
from realtime.testing import ManualScheduler
from tests.realtime.layers import FailingLayer, GatedLayer, LayerAway, settle

TOPIC = "control"
KEPT = HistoryPolicy(size=10, ttl_seconds=60)


class Ear:
    """Implements Listener (realtime/subscriber.py): notes offsets, and "lost" in between."""

    def __init__(self) -> None:
        self.heard: list[int | str] = []

    def hear(self, publication: Publication) -> None:
        self.heard.append(publication.offset)

    def lost(self) -> None:
        self.heard.append("lost")


class Stage:
    def __init__(self) -> None:
        self.memory = MemoryTopicLayer(new_epoch=lambda: "now")
        self.failing = FailingLayer(self.memory)
        self.layer = GatedLayer(self.failing)
        self.hub = Hub(layer=self.layer, schedule=ManualScheduler())

    async def publish(self) -> None:
        await self.layer.publish(TOPIC, Publication(data=Raw(b"1")), history=KEPT)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_listener_hears_what_is_published_from_then_on(stage: Stage) -> None:
    ear = Ear()
    await stage.publish()

    await stage.hub.listen(TOPIC, ear, history=KEPT)
    await stage.publish()
    await stage.publish()

    assert ear.heard == [2, 3]


async def test_what_is_published_while_the_log_is_read_is_heard_once(stage: Stage) -> None:
    ear = Ear()
    stage.layer.gated = {"history"}
    listening = asyncio.ensure_future(stage.hub.listen(TOPIC, ear, history=KEPT))
    await settle()
    await stage.publish()
    stage.layer.open()
    await settle()
    await stage.publish()

    stage.layer.open_all()
    await listening

    assert ear.heard == [2]


async def test_who_listens_no_more_hears_nothing_and_leaves_nothing_behind(stage: Stage) -> None:
    ear = Ear()
    await stage.hub.listen(TOPIC, ear, history=KEPT)

    await stage.hub.unlisten(TOPIC, ear)
    await stage.publish()

    assert ear.heard == []
    assert (len(stage.hub), len(stage.memory._subscribed)) == (0, 0)


@pytest.mark.parametrize("call", ["subscribe", "history"])
async def test_a_layer_that_is_away_leaves_nobody_listening(stage: Stage, call: str) -> None:
    stage.failing.failing = {call}

    with pytest.raises(LayerAway):
        await stage.hub.listen(TOPIC, Ear(), history=KEPT)

    assert (len(stage.hub), len(stage.memory._subscribed)) == (0, 0)
