"""The memory layer keeps the contract of topic layers; and what is true of it alone."""

from typing import Any, cast

from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import SWEEP_INTERVAL_SECONDS, MemoryTopicLayer
from realtime.testing.clock import ManualClock
from realtime.testing.layers import (
    KEPT,
    OTHER_TOPIC,
    TOPIC,
    ContractLayer,
    TopicLayerContract,
    fill,
    publish,
    read,
)


class TestMemoryLayer(TopicLayerContract):
    """A new instance for each test, and so a new clock."""

    def setup_method(self) -> None:
        self.clock = ManualClock()

    async def make_layer(self, **channel_options: Any) -> ContractLayer:
        return cast("ContractLayer", MemoryTopicLayer(clock=self.clock, **channel_options))

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


BRIEF = HistoryPolicy(size=10, ttl_seconds=1, meta_ttl_seconds=2)


def make_layer() -> tuple[MemoryTopicLayer, ManualClock]:
    clock = ManualClock()
    return MemoryTopicLayer(clock=clock), clock


async def test_idle_logs_and_old_keys_are_swept_away_by_later_traffic() -> None:
    layer, clock = make_layer()
    await publish(layer, b"1", history=BRIEF, key="a", key_ttl_seconds=1)

    clock.advance(SWEEP_INTERVAL_SECONDS)
    await publish(layer, b"1", topic=OTHER_TOPIC)

    assert (layer._logs, layer._repeats) == ({}, {})


async def test_a_sweep_keeps_what_can_still_be_asked_for() -> None:
    layer, clock = make_layer()
    top = await fill(layer, 3)
    await publish(layer, b"4", topic=OTHER_TOPIC, key="a")

    layer.sweep()

    assert (await read(layer)).top == top
    assert (await publish(layer, b"4", topic=OTHER_TOPIC, key="a")).is_repeat
    assert clock() == 0


async def test_the_position_of_a_subscribed_topic_is_never_forgotten() -> None:
    layer, clock = make_layer()
    await layer.subscribe(TOPIC)
    top = await fill(layer, 3, policy=BRIEF)

    clock.advance(SWEEP_INTERVAL_SECONDS)
    layer.sweep()

    assert (await read(layer, policy=BRIEF)).top == top


async def test_a_layer_without_a_receiver_keeps_its_logs_all_the_same() -> None:
    layer, _ = make_layer()
    await layer.subscribe(TOPIC)

    await publish(layer, b"1", history=KEPT)

    assert len((await read(layer)).publications) == 1


async def test_epochs_of_two_layers_differ() -> None:
    first, second = MemoryTopicLayer(), MemoryTopicLayer()

    assert (await read(first)).top.epoch != (await read(second)).top.epoch
