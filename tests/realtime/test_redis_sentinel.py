"""The Redis layer behind Sentinel: it follows a failover, and says that something may be lost."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.layers.base import Published
from realtime.messages import Position, Publication
from tests.realtime.redis_layers import AWAY_SECONDS, LONG, Layer
from tests.realtime.sentinel import NAME, SentinelGroup
from tests.waiting import until, wait_until


@pytest.fixture
def group() -> Iterator[SentinelGroup]:
    with SentinelGroup(is_durable=True) as group:
        yield group


@pytest.fixture
async def layer(group: SentinelGroup) -> AsyncIterator[Layer]:
    layer = Layer(group.host)
    yield await layer.stand()
    layer.blocking.close()
    await layer.close()


def publish_blocking(layer: Layer, topic: str) -> Published:
    """Until it works."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return layer.blocking.publish(topic, Publication(data=Raw(b"1")), history=LONG)
        except LayerUnavailable:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("fault", ["killed", "silent", "on demand"])
async def test_the_layer_follows_a_failover_under_a_new_epoch(
    group: SentinelGroup, layer: Layer, fault: str
) -> None:
    for topic in ("a", "b"):
        await layer.subscribe(topic)
    first = await layer.say("a", 1)
    assert publish_blocking(layer, "a").position == Position(2, first.epoch)

    how = {
        "killed": group.primary.kill,
        "silent": group.primary.pause,
        "on demand": lambda: group.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", NAME),
    }[fault]
    await asyncio.to_thread(group.replace, how)
    # For a moment the old primary may take what it will lose.
    await layer.meet(group.replica)

    # The replica has the log, and nobody can know whether all of it.
    second = await layer.say("a", 3)
    assert second.offset == 1
    assert second.epoch not in ("", first.epoch)
    await until(lambda: [sorted(doubt) for doubt in layer.events.doubts] == [["a", "b"]])
    third = (await asyncio.to_thread(publish_blocking, layer, "a")).position
    assert third == Position(2, second.epoch)
    assert await layer.log_of("a") == [(1, b"3"), (2, b"1")]
    await layer.say("b", 1)
    await until(lambda: layer.events.received[-1][0] == "b")
    assert layer.is_available


async def test_the_old_primary_changes_nothing_when_it_is_back(group: SentinelGroup, layer: Layer) -> None:
    await layer.say("a", 1)
    await asyncio.to_thread(group.replace, group.primary.kill)
    await layer.meet(group.replica)
    second = await layer.say("a", 2)

    await asyncio.to_thread(group.primary.start)
    await until(lambda: group.primary.client().info("replication")["role"] == "slave")
    group.replica.cut_commands()
    group.replica.cut_pubsub()

    third = (await layer.say_again("a", 3)).position
    assert third == Position(second.offset + 1, second.epoch)
    assert publish_blocking(layer, "a").position == Position(third.offset + 1, second.epoch)


async def test_without_a_primary_calls_fail_in_time(group: SentinelGroup, layer: Layer) -> None:
    group.replica.kill()
    group.primary.kill()
    await layer.fall()

    for _ in range(2):
        async with asyncio.timeout(AWAY_SECONDS):
            with pytest.raises(LayerUnavailable):
                await layer.say("a", 1)
    began = time.monotonic()
    with pytest.raises(LayerUnavailable):
        layer.blocking.publish("a", Publication(data=Raw(b"1")), history=LONG)
    assert time.monotonic() - began < AWAY_SECONDS

    group.primary.start()
    await layer.stand()
    assert (await layer.say("a", 1)).offset == 1


@pytest.mark.parametrize("fault", ["killed", "silent"])
async def test_a_sentinel_that_is_away_leaves_the_others_to_be_asked(fault: str) -> None:
    with SentinelGroup(sentinels=2) as group:
        if fault == "killed":
            group.sentinels[0].kill()
        else:
            group.sentinels[0].pause()
        layer = Layer(group.host)
        try:
            async with asyncio.timeout(3):
                await layer.stand()
            assert (await layer.say("a", 1)).offset == 1
            began = time.monotonic()
            assert layer.blocking.publish("a", Publication(data=Raw(b"1")), history=LONG).position.offset == 2
            assert time.monotonic() - began < 3
        finally:
            layer.blocking.close()
            await layer.close()


async def test_closing_ends_the_connections_to_the_sentinels_as_well(group: SentinelGroup) -> None:
    client = group.sentinels[0].client
    before = len(client.client_list())
    layer = await Layer(group.host).stand()
    await layer.say("a", 1)
    publish_blocking(layer, "a")
    assert len(client.client_list()) > before

    layer.blocking.close()
    await layer.close()

    wait_until(lambda: len(client.client_list()) == before)
    del layer
    gc.collect()
