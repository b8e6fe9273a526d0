"""Listening to a topic inside the process: every publication once and in order, from the log's top on."""

import asyncio

import pytest

from tests.realtime.hub_stage import KEPT, TOPIC, FakeListener, Stage
from tests.realtime.layers import LayerAway, settle


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_listener_hears_what_is_published_from_then_on(stage: Stage) -> None:
    ear = FakeListener()
    await stage.keep()

    await stage.hub.listen(TOPIC, ear, history=KEPT)
    await stage.keep()
    await stage.keep()

    assert ear.heard == [2, 3]


async def test_what_is_published_while_the_log_is_read_is_heard_once(stage: Stage) -> None:
    ear = FakeListener()
    stage.layer.gated = {"history"}
    listening = asyncio.ensure_future(stage.hub.listen(TOPIC, ear, history=KEPT))
    await settle()
    await stage.keep()
    stage.layer.open()
    await settle()
    await stage.keep()

    stage.layer.open_all()
    await listening

    assert ear.heard == [2]


async def test_who_listens_no_more_hears_nothing_and_leaves_nothing_behind(stage: Stage) -> None:
    ear = FakeListener()
    await stage.hub.listen(TOPIC, ear, history=KEPT)

    await stage.hub.unlisten(TOPIC, ear)
    await stage.keep()

    assert ear.heard == []
    assert (len(stage.hub), len(stage.memory._subscribed)) == (0, 0)


@pytest.mark.parametrize("call", ["subscribe", "history"])
async def test_a_layer_that_is_away_leaves_nobody_listening(stage: Stage, call: str) -> None:
    stage.failing.failing = {call}

    with pytest.raises(LayerAway):
        await stage.hub.listen(TOPIC, FakeListener(), history=KEPT)

    assert (len(stage.hub), len(stage.memory._subscribed)) == (0, 0)
