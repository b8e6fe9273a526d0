"""The Channels side of the Redis layer: ordinary consumers beside topics, and bounded queues."""

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.test import override_settings
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Publication
from realtime.testing.layers import EventRecorder
from tests.realtime.redis_layers import LONG, Layer
from tests.redis_server import RedisServer
from tests.waiting import until, wait_until

MakeRedis = Callable[..., RedisServer]


@pytest.fixture
def server(make_redis: MakeRedis) -> RedisServer:
    return make_redis()


@pytest.fixture
async def make_layer(server: RedisServer) -> AsyncIterator[Callable[..., Layer]]:
    layers: list[Layer] = []

    def make(**options: Any) -> Layer:
        layers.append(Layer(server.url, **options))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close()


@pytest.fixture
async def layer(make_layer: Callable[..., Layer]) -> Layer:
    return await make_layer().stand()


async def received_in(layer: Layer, channel: str) -> Any:
    async with asyncio.timeout(10):
        return await layer.receive(channel)


def heard_in(server: RedisServer) -> list[Any]:
    return sorted(server.client().pubsub_channels())


# ── Groups and channels ───────────────────────────────────────────────────────────────────────


async def test_two_processes_reach_each_others_channels_and_groups(make_layer: Callable[..., Layer]) -> None:
    one, other = await make_layer().stand(), await make_layer().stand()
    channels = [await each.new_channel() for each in (one, other)]
    await one.group_add("people", channels[0])
    await other.group_add("people", channels[1])

    await one.group_send("people", {"type": "all"})
    await other.send(channels[0], {"type": "one"})
    await one.send(channels[1], {"type": "two"})

    assert [(await received_in(one, channels[0]))["type"] for _ in range(2)] == ["all", "one"]
    assert [(await received_in(other, channels[1]))["type"] for _ in range(2)] == ["all", "two"]


async def test_a_worker_receives_in_a_channel_that_has_a_name(make_layer: Callable[..., Layer]) -> None:
    worker, sender = await make_layer().stand(), await make_layer().stand()
    waiting = asyncio.create_task(worker.receive("thumbnails"))
    await until(lambda: not waiting.done() and b"thumbnails" in heard_in_layer(worker))

    await sender.send("thumbnails", {"type": "make"})

    assert await waiting == {"type": "make"}


def heard_in_layer(layer: Layer) -> set[bytes]:
    subscriptions = [shard._subscriber._subscriptions for shard in layer.shards]
    return {name for each in subscriptions for name, value in each.items() if value.is_confirmed}


async def test_who_joins_a_group_beside_one_who_is_cancelled_hears_it(layer: Layer) -> None:
    one, other = await layer.new_channel(), await layer.new_channel()
    leaving = asyncio.create_task(layer.group_add("people", one))
    joining = asyncio.create_task(layer.group_add("people", other))
    await asyncio.sleep(0)

    leaving.cancel()
    await joining

    await layer.group_send("people", {"type": "greet"})
    assert (await received_in(layer, other))["type"] == "greet"


async def test_groups_are_heard_again_after_an_outage(layer: Layer, server: RedisServer) -> None:
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    await layer.subscribe("topic")

    server.restart(keep_data=False)
    await layer.meet(server)
    await until(lambda: bool(layer.events.doubts))

    await layer.group_send("people", {"type": "greet"})
    assert (await received_in(layer, channel))["type"] == "greet"
    assert layer.events.doubts == [["topic"]]


async def test_a_channel_that_ended_leaves_nothing_behind_whoever_still_sends_to_it(
    layer: Layer, server: RedisServer
) -> None:
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)

    receiving.cancel()
    await asyncio.wait({receiving})
    for _ in range(200):
        await layer.send(channel, {"type": "late"})

    assert layer._get_layer().channels == {}
    await until(lambda: heard_in(server) == [])


async def test_a_channel_that_could_not_be_made_leaves_nothing_behind(
    layer: Layer, server: RedisServer
) -> None:
    server.kill()
    await layer.fall()

    for _ in range(3):
        with pytest.raises(LayerUnavailable):
            await layer.new_channel()

    assert layer._get_layer().channels == {}


async def test_flushing_empties_channels_and_leaves_them_to_those_who_receive(
    layer: Layer, server: RedisServer
) -> None:
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    await layer.send(channel, {"type": "old"})

    await layer.flush()

    await until(lambda: heard_in(server) == [channel.encode()])
    receiving = asyncio.create_task(layer.receive(channel))
    await layer.group_send("people", {"type": "nobody"})
    await layer.send(channel, {"type": "new"})
    assert await receiving == {"type": "new"}


# ── Bounds ────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_channel_refuses_its_own_process_and_drops_what_others_send(
    make_layer: Callable[..., Layer], caplog: pytest.LogCaptureFixture
) -> None:
    layer, other = await make_layer(capacity=2).stand(), await make_layer().stand()
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "1"})
    await layer.send(channel, {"type": "2"})

    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "3"})
    assert caplog.messages == []
    await other.send(channel, {"type": "secret"})

    await until(lambda: caplog.messages == ["a channel is full, a message was dropped"])
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].__dict__["channel"] == channel
    assert [(await received_in(layer, channel))["type"] for _ in range(2)] == ["1", "2"]
    await other.send(channel, {"type": "4"})
    assert (await received_in(layer, channel))["type"] == "4"


async def test_one_full_channel_of_a_group_costs_the_others_nothing(
    make_layer: Callable[..., Layer], caplog: pytest.LogCaptureFixture
) -> None:
    layer = await make_layer(capacity=1).stand()
    full, free = await layer.new_channel(), await layer.new_channel()
    for channel in (full, free):
        await layer.group_add("people", channel)
    await layer.send(full, {"type": "first"})

    await layer.group_send("people", {"type": "greet"})

    assert (await received_in(layer, free))["type"] == "greet"
    assert (await received_in(layer, full))["type"] == "first"
    assert [record.__dict__["channel"] for record in caplog.records] == [full]


async def test_capacities_of_channels_are_those_of_channels_own_option(
    make_layer: Callable[..., Layer],
) -> None:
    layer = await make_layer(capacity=1, channel_capacity={"asgispecific.*": 3}).stand()
    channel = await layer.new_channel()

    for number in range(3):
        await layer.send(channel, {"type": f"{number}"})

    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "3"})


# ── Consumers ─────────────────────────────────────────────────────────────────────────────────


class Chat(AsyncJsonWebsocketConsumer):
    """A consumer as the Channels tutorial has it."""

    groups = ["room"]  # noqa: RUF012  # As Channels has it.

    async def receive_json(self, content: Any, **_: Any) -> None:
        assert self.channel_layer is not None
        await self.channel_layer.group_send("room", {"type": "chat.message", "text": content["text"]})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json({"text": event["text"]})


async def test_consumers_with_groups_work_while_topics_flow(server: RedisServer) -> None:
    setting = {"BACKEND": "realtime.layers.redis.RedisTopicLayer", "CONFIG": {"hosts": [server.url]}}
    with override_settings(CHANNEL_LAYERS={"default": setting}):
        layer, events = get_channel_layer(), EventRecorder()
        assert isinstance(layer, RedisTopicLayer)
        layer.attach(events)
        await layer.subscribe("topic")
        flowing = asyncio.create_task(publish_forever(layer))
        people = [WebsocketCommunicator(Chat.as_asgi(), "/") for _ in range(5)]
        for each in people:
            assert (await each.connect())[0]

        for number, each in enumerate(people):
            await each.send_json_to({"text": f"{number}"})
            for listener in people:
                assert await listener.receive_json_from(timeout=5) == {"text": f"{number}"}

        for each in people:
            await each.disconnect()
        flowing.cancel()
        await asyncio.wait({flowing})
        offsets = [event.offset for _, event, _ in events.received if isinstance(event, Publication)]
        assert offsets == list(range(1, len(offsets) + 1))
        assert len(offsets) > 10
        assert layer._get_layer().channels == {}
        assert layer._get_layer().groups == {}
        await until(lambda: heard_in(server) == [b"asgi__topic__topic"])
        await layer.close()


async def publish_forever(layer: RedisTopicLayer) -> None:
    while True:
        await layer.publish("topic", Publication(data=Raw(b"1")), history=LONG)


# ── Short-lived loops ─────────────────────────────────────────────────────────────────────────


def test_threads_that_send_leave_no_connections_tasks_or_warnings(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    layer = RedisTopicLayer(hosts=[server.url])
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                async_to_sync(layer.group_send)("people", {"type": "greet"})
                async_to_sync(layer.publish)("topic", Publication(data=Raw(b"%d" % number)), history=LONG)
        except BaseException as error:  # noqa: BLE001  # To be shown by the test.
            failures.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()

    assert failures == []
    assert layer._layers == {}
    wait_until(lambda: len(server.client().client_list()) == 1)
    assert server.client().llen("asgi:{t:topic}:log") == 100
    assert caplog.messages == []


@pytest.mark.parametrize("is_away", [False, True])
def test_a_loop_that_ends_takes_its_connections_along(
    server: RedisServer, caplog: pytest.LogCaptureFixture, is_away: bool
) -> None:
    layer = Layer(server.url)
    if is_away:
        server.kill()

    async def main() -> None:
        if is_away:
            assert not layer.is_available
            waiting = asyncio.ensure_future(layer.say("topic", 1))
            await asyncio.sleep(0)
            waiting.cancel()
        else:
            await layer.stand()
            await layer.subscribe("topic")
            channel = await layer.new_channel()
            await layer.group_add("people", channel)

    for _ in range(3):
        # asyncio.run() cancels what is left, and ends the loop.
        asyncio.run(main())

    gc.collect()
    assert layer._layers == {}
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []
    if not is_away:
        wait_until(lambda: len(server.client().client_list()) == 1)
