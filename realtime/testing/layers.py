"""The contract suite of topic layers: what realtime/layers/base.py promises, as tests.

    class TestMemoryLayer(TopicLayerContract):
        async def make_layer(self, **channel_options): ...

Nothing here knows how a layer delivers: events may come at once or over a network. That something
does *not* come is shown by what comes after it, since the events of a topic come in order.
"""

# ruff: noqa: S101  # It is a test suite, shipped for whoever writes a layer.

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

import pytest
import pytest_asyncio
from channels.exceptions import ChannelFull
from msgspec import Raw

from realtime.layers.base import Event, History, HistoryPolicy, Published, TopicLayer
from realtime.messages import ClientInfo, Joined, Left, Position, Publication

# Long enough for any network of a test machine; nothing waits for it unless something is lost.
DELIVERY_TIMEOUT_SECONDS = 10

TOPIC = "contract:topic"
OTHER_TOPIC = "contract:other"
KEPT = HistoryPolicy(size=10, ttl_seconds=60)
ALICE = ClientInfo(user="alice", client="client1", conn_info=Raw(b'{"name":"Alice"}'), chan_info=Raw(b"[1]"))


class ChannelLayer(Protocol):
    """The Channels side of a topic layer, as its documentation has it."""

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def new_channel(self, prefix: str = ...) -> str: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...
    async def flush(self) -> None: ...


class ContractLayer(TopicLayer, ChannelLayer, Protocol):
    """Both sides."""


class EventRecorder:
    """Implements Receiver: keeps what comes, and lets a test wait for it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Event, str]] = []
        self.doubted: set[str] = set()
        self._news = asyncio.Event()

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        self.received.append((topic, event, epoch))
        self._news.set()

    def doubt(self, topics: Iterable[str]) -> None:
        self.doubted.update(topics)

    async def fetch(self, count: int) -> list[tuple[str, Event, str]]:
        """Waits until `count` events came; gives all there are."""
        async with asyncio.timeout(DELIVERY_TIMEOUT_SECONDS):
            while len(self.received) < count:
                self._news.clear()
                await self._news.wait()
        return self.received

    async def fetch_publications(self, count: int) -> list[Publication]:
        received = await self.fetch(count)
        return [event for _, event, _ in received if isinstance(event, Publication)]


@pytest.mark.asyncio
class TopicLayerContract:
    """Subclass it, say how a layer is made, and how time passes for it."""

    async def make_layer(self, **channel_options: Any) -> ContractLayer:
        """A new, empty layer. `channel_options` are Channels' own: `capacity`."""
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Lets the layer's time go on, by its clock where it takes one."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def layer(self) -> AsyncIterator[ContractLayer]:
        layer = await self.make_layer()
        yield layer
        await layer.flush()
        await layer.close()

    @pytest_asyncio.fixture
    async def events(self, layer: ContractLayer) -> EventRecorder:
        events = EventRecorder()
        layer.attach(events)
        return events

    # ── Order and offsets ─────────────────────────────────────────────────────────────────────

    async def test_events_arrive_in_the_order_in_which_they_were_published(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        for number in range(50):
            await publish(layer, b"%d" % number, history=KEPT)

        publications = await events.fetch_publications(50)

        assert [bytes(publication.data) for publication in publications] == [b"%d" % n for n in range(50)]
        assert [publication.offset for publication in publications] == list(range(1, 51))

    async def test_concurrent_publishes_take_consecutive_offsets_and_arrive_in_their_order(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)

        published = await asyncio.gather(*(publish(layer, b"%d" % n, history=KEPT) for n in range(30)))

        assert sorted(each.position.offset for each in published) == list(range(1, 31))
        publications = await events.fetch_publications(30)
        assert [publication.offset for publication in publications] == list(range(1, 31))

    async def test_all_publications_of_a_log_share_an_epoch(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        epoch = (await read(layer)).top.epoch
        published = [await publish(layer, b"1", history=KEPT), await publish(layer, b"2", history=KEPT)]

        received = await events.fetch(2)

        assert epoch
        assert {each.position.epoch for each in published} == {epoch}
        assert {each for _, _, each in received} == {epoch}

    async def test_topics_count_their_offsets_by_themselves(self, layer: ContractLayer) -> None:
        await publish(layer, b"1", history=KEPT)
        await publish(layer, b"2", history=KEPT)

        other = await publish(layer, b"1", topic=OTHER_TOPIC, history=KEPT)

        assert other.position.offset == 1
        assert other.position.epoch != (await read(layer)).top.epoch

    # ── History ───────────────────────────────────────────────────────────────────────────────

    async def test_history_gives_everything_held_oldest_first(self, layer: ContractLayer) -> None:
        top = await fill(layer, 4)

        history = await read(layer)

        assert offsets(history) == [1, 2, 3, 4]
        assert [bytes(publication.data) for publication in history.publications] == [b"1", b"2", b"3", b"4"]
        assert history.top == top

    async def test_history_since_a_position_gives_what_came_after_it(self, layer: ContractLayer) -> None:
        top = await fill(layer, 4)

        assert offsets(await read(layer, since=Position(2, top.epoch))) == [3, 4]
        assert offsets(await read(layer, since=Position(0, top.epoch))) == [1, 2, 3, 4]
        assert offsets(await read(layer, since=Position(4, top.epoch))) == []
        assert offsets(await read(layer, since=Position(99, top.epoch))) == []

    async def test_history_gives_at_most_what_the_limit_says(self, layer: ContractLayer) -> None:
        top = await fill(layer, 4)

        assert offsets(await read(layer, limit=2)) == [1, 2]
        assert offsets(await read(layer, limit=99)) == [1, 2, 3, 4]
        assert offsets(await read(layer, limit=1, since=Position(2, top.epoch))) == [3]

    async def test_history_with_limit_0_gives_the_position_alone(self, layer: ContractLayer) -> None:
        top = await fill(layer, 4)

        assert await read(layer, limit=0) == History([], top)
        assert await read(layer, limit=0, reverse=True) == History([], top)

    async def test_history_in_reverse_begins_with_the_newest(self, layer: ContractLayer) -> None:
        await fill(layer, 4)

        assert offsets(await read(layer, reverse=True)) == [4, 3, 2, 1]
        assert offsets(await read(layer, reverse=True, limit=1)) == [4]

    async def test_history_in_reverse_since_a_position_goes_back_from_it(self, layer: ContractLayer) -> None:
        top = await fill(layer, 4)

        assert offsets(await read(layer, reverse=True, since=Position(3, top.epoch))) == [2, 1]
        assert offsets(await read(layer, reverse=True, since=Position(3, top.epoch), limit=1)) == [2]
        assert offsets(await read(layer, reverse=True, since=Position(1, top.epoch))) == []
        assert offsets(await read(layer, reverse=True, since=Position(99, top.epoch))) == [4, 3, 2, 1]

    async def test_history_since_a_trimmed_position_gives_what_is_left(self, layer: ContractLayer) -> None:
        small = HistoryPolicy(size=2, ttl_seconds=60)
        top = await fill(layer, 5, policy=small)

        assert offsets(await read(layer, policy=small, since=Position(1, top.epoch))) == [4, 5]
        assert offsets(await read(layer, policy=small, since=Position(4, top.epoch))) == [5]
        assert offsets(await read(layer, policy=small, reverse=True, since=Position(2, top.epoch))) == []

    async def test_a_log_keeps_the_newest_and_no_more_than_its_size(self, layer: ContractLayer) -> None:
        small = HistoryPolicy(size=3, ttl_seconds=60)

        top = await fill(layer, 10, policy=small)

        assert top.offset == 10
        assert offsets(await read(layer, policy=small)) == [8, 9, 10]

    async def test_a_log_that_was_never_written_has_an_epoch_that_stays(self, layer: ContractLayer) -> None:
        before = await read(layer)

        published = await publish(layer, b"1", history=KEPT)

        assert before == History([], Position(0, before.top.epoch))
        assert published.position == Position(1, before.top.epoch)

    async def test_data_tags_and_info_come_back_as_they_were(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        data = bytes(range(256)) + b"\r\n\0"
        said = Publication(data=Raw(data), info=ALICE, tags={"lang": "de", "ü": ""}, time=1_700_000_000_123)

        await layer.publish(TOPIC, said, history=KEPT)

        [live] = await events.fetch_publications(1)
        [held] = (await read(layer)).publications
        expected = (data, ALICE.user, ALICE.client, b'{"name":"Alice"}', b"[1]", said.tags, said.time, 1)
        assert contents(live) == expected
        assert contents(held) == expected

    async def test_a_publication_without_info_and_tags_comes_back_without(self, layer: ContractLayer) -> None:
        await publish(layer, b"1", history=KEPT)

        [held] = (await read(layer)).publications

        assert held.info is None
        assert held.tags is None

    # ── Time ──────────────────────────────────────────────────────────────────────────────────

    async def test_publications_expire_and_the_position_outlives_them(self, layer: ContractLayer) -> None:
        brief = HistoryPolicy(size=10, ttl_seconds=1, meta_ttl_seconds=60)
        top = await fill(layer, 3, policy=brief)

        await self.pass_time(1.1)

        assert await read(layer, policy=brief) == History([], top)
        assert (await publish(layer, b"4", history=brief)).position == Position(4, top.epoch)
        assert offsets(await read(layer, policy=brief)) == [4]

    async def test_each_publication_renews_the_time_of_those_before_it(self, layer: ContractLayer) -> None:
        brief = HistoryPolicy(size=10, ttl_seconds=2, meta_ttl_seconds=60)
        await publish(layer, b"1", history=brief)
        await self.pass_time(1.2)
        await publish(layer, b"2", history=brief)
        await self.pass_time(1.2)

        assert offsets(await read(layer, policy=brief)) == [1, 2]

    async def test_a_position_that_outlived_its_own_time_begins_a_new_epoch(
        self, layer: ContractLayer
    ) -> None:
        brief = HistoryPolicy(size=10, ttl_seconds=1, meta_ttl_seconds=2)
        top = await fill(layer, 3, policy=brief)

        await self.pass_time(2.1)

        fresh = (await read(layer, policy=brief)).top
        assert fresh.offset == 0
        assert fresh.epoch != top.epoch

    async def test_reading_a_log_keeps_its_position(self, layer: ContractLayer) -> None:
        brief = HistoryPolicy(size=10, ttl_seconds=1, meta_ttl_seconds=2)
        top = await fill(layer, 3, policy=brief)

        await self.pass_time(1.5)
        await read(layer, policy=brief)
        await self.pass_time(1.5)

        assert (await read(layer, policy=brief)).top == top

    # ── Idempotency ───────────────────────────────────────────────────────────────────────────

    async def test_a_repeat_returns_the_first_position_and_does_nothing_else(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        first = await publish(layer, b"1", history=KEPT, key="a")
        await publish(layer, b"2", history=KEPT)

        again = await publish(layer, b"repeated", history=KEPT, key="a")

        assert first == Published(Position(1, first.position.epoch), is_repeat=False)
        assert again == Published(first.position, is_repeat=True)
        await publish(layer, b"3", history=KEPT)
        publications = await events.fetch_publications(3)
        assert [bytes(publication.data) for publication in publications] == [b"1", b"2", b"3"]
        assert offsets(await read(layer)) == [1, 2, 3]

    async def test_a_repeat_is_known_in_a_topic_without_a_log_too(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        await publish(layer, b"1", key="a")

        again = await publish(layer, b"repeated", key="a")

        assert again == Published(Position(), is_repeat=True)
        await publish(layer, b"2")
        publications = await events.fetch_publications(2)
        assert [bytes(publication.data) for publication in publications] == [b"1", b"2"]

    async def test_concurrent_repeats_publish_once(self, layer: ContractLayer) -> None:
        published = await asyncio.gather(*(publish(layer, b"1", history=KEPT, key="a") for _ in range(10)))

        assert sorted(each.is_repeat for each in published) == [False] + [True] * 9
        assert {each.position.offset for each in published} == {1}
        assert offsets(await read(layer)) == [1]

    async def test_the_same_key_in_another_topic_is_no_repeat(self, layer: ContractLayer) -> None:
        await publish(layer, b"1", history=KEPT, key="a")

        other = await publish(layer, b"1", topic=OTHER_TOPIC, history=KEPT, key="a")

        assert other.is_repeat is False
        assert offsets(await read(layer, topic=OTHER_TOPIC)) == [1]

    async def test_a_key_is_forgotten_when_its_time_is_over(self, layer: ContractLayer) -> None:
        await publish(layer, b"1", history=KEPT, key="a", key_ttl_seconds=1)

        await self.pass_time(1.1)

        assert (await publish(layer, b"2", history=KEPT, key="a", key_ttl_seconds=1)).is_repeat is False
        assert offsets(await read(layer)) == [1, 2]

    # ── Without a log ─────────────────────────────────────────────────────────────────────────

    async def test_a_publication_without_history_has_no_position_and_leaves_nothing(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)

        published = await publish(layer, b"1")

        assert published == Published(Position(), is_repeat=False)
        [(topic, event, epoch)] = await events.fetch(1)
        assert (topic, epoch) == (TOPIC, "")
        assert isinstance(event, Publication)
        assert event.offset == 0
        history = await read(layer)
        assert (history.publications, history.top.offset) == ([], 0)

    async def test_joins_and_leaves_are_broadcast_and_not_kept(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        top = await fill(layer, 1)

        await layer.broadcast(TOPIC, Joined(ALICE))
        await layer.broadcast(TOPIC, Left(ALICE))

        received = await events.fetch(3)
        assert [type(event) for _, event, _ in received] == [Publication, Joined, Left]
        assert received[1:] == [(TOPIC, Joined(ALICE), ""), (TOPIC, Left(ALICE), "")]
        assert (await read(layer)).top == top

    async def test_removed_history_is_gone_and_its_offsets_go_on(self, layer: ContractLayer) -> None:
        top = await fill(layer, 3)

        await layer.remove_history(TOPIC)

        assert await read(layer) == History([], top)
        assert (await publish(layer, b"4", history=KEPT)).position == Position(4, top.epoch)
        assert offsets(await read(layer)) == [4]

    async def test_removing_the_history_of_an_unknown_topic_does_nothing(self, layer: ContractLayer) -> None:
        await layer.remove_history(TOPIC)

        assert offsets(await read(layer)) == []

    # ── Subscribing ───────────────────────────────────────────────────────────────────────────

    async def test_only_events_of_subscribed_topics_arrive(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)

        await publish(layer, b"other", topic=OTHER_TOPIC)
        await publish(layer, b"mine")

        [(topic, event, _)] = await events.fetch(1)
        assert isinstance(event, Publication)
        assert (topic, bytes(event.data)) == (TOPIC, b"mine")

    async def test_events_of_before_the_subscription_do_not_arrive(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await publish(layer, b"before")

        await layer.subscribe(TOPIC)

        await publish(layer, b"after")
        assert [bytes(each.data) for each in await events.fetch_publications(1)] == [b"after"]

    async def test_nothing_arrives_after_unsubscribing(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        await layer.subscribe(TOPIC)
        await layer.subscribe(OTHER_TOPIC)

        await layer.unsubscribe(TOPIC)

        await publish(layer, b"after")
        await publish(layer, b"sentinel", topic=OTHER_TOPIC)
        assert [bytes(each.data) for each in await events.fetch_publications(1)] == [b"sentinel"]

    async def test_subscribing_twice_delivers_once(self, layer: ContractLayer, events: EventRecorder) -> None:
        await layer.subscribe(TOPIC)
        await layer.subscribe(TOPIC)

        await publish(layer, b"1")
        await publish(layer, b"2")

        assert [bytes(each.data) for each in await events.fetch_publications(2)] == [b"1", b"2"]

    async def test_unsubscribing_from_what_was_never_subscribed_does_nothing(
        self, layer: ContractLayer
    ) -> None:
        await layer.unsubscribe(TOPIC)

    async def test_a_topic_can_be_subscribed_again(self, layer: ContractLayer, events: EventRecorder) -> None:
        await layer.subscribe(TOPIC)
        await layer.unsubscribe(TOPIC)
        await publish(layer, b"between")

        await layer.subscribe(TOPIC)

        await publish(layer, b"after")
        assert [bytes(each.data) for each in await events.fetch_publications(1)] == [b"after"]

    # ── The Channels side ─────────────────────────────────────────────────────────────────────

    async def test_a_message_to_a_channel_is_received_there(self, layer: ContractLayer) -> None:
        channel = await layer.new_channel()

        await layer.send(channel, {"type": "greet", "text": "hello"})

        assert await received_in(layer, channel) == {"type": "greet", "text": "hello"}

    async def test_a_message_to_a_group_reaches_each_of_its_channels(self, layer: ContractLayer) -> None:
        channels = [await layer.new_channel() for _ in range(2)]
        for channel in channels:
            await layer.group_add("people", channel)

        await layer.group_send("people", {"type": "greet"})

        assert [await received_in(layer, channel) for channel in channels] == [{"type": "greet"}] * 2

    async def test_a_channel_that_left_a_group_gets_no_more_of_it(self, layer: ContractLayer) -> None:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)

        await layer.group_discard("people", channel)

        await layer.group_send("people", {"type": "greet"})
        await layer.send(channel, {"type": "sentinel"})
        assert await received_in(layer, channel) == {"type": "sentinel"}

    async def test_groups_and_topics_of_one_name_do_not_meet(
        self, layer: ContractLayer, events: EventRecorder
    ) -> None:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.subscribe("people")

        await layer.group_send("people", {"type": "greet"})
        await publish(layer, b"1", topic="people")

        assert await received_in(layer, channel) == {"type": "greet"}
        assert [bytes(each.data) for each in await events.fetch_publications(1)] == [b"1"]

    async def test_a_full_channel_refuses_more(self) -> None:
        layer = await self.make_layer(capacity=2)
        channel = await layer.new_channel()
        try:
            await layer.send(channel, {"type": "first"})
            await layer.send(channel, {"type": "second"})

            with pytest.raises(ChannelFull):
                await layer.send(channel, {"type": "third"})

            assert (await received_in(layer, channel))["type"] == "first"
        finally:
            await layer.flush()
            await layer.close()

    async def test_flushing_forgets_logs_keys_groups_and_messages(self, layer: ContractLayer) -> None:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.send(channel, {"type": "old"})
        first = await publish(layer, b"1", history=KEPT, key="a")

        await layer.flush()

        again = await publish(layer, b"1", history=KEPT, key="a")
        assert again.is_repeat is False
        assert again.position.offset == 1
        assert again.position.epoch != first.position.epoch
        await layer.group_send("people", {"type": "greet"})
        await layer.send(channel, {"type": "sentinel"})
        assert await received_in(layer, channel) == {"type": "sentinel"}


# ── What the tests are written with ───────────────────────────────────────────────────────────


async def publish(
    layer: TopicLayer,
    data: bytes,
    *,
    topic: str = TOPIC,
    history: HistoryPolicy | None = None,
    key: str = "",
    key_ttl_seconds: float = 300,
) -> Published:
    return await layer.publish(
        topic,
        Publication(data=Raw(data)),
        history=history,
        idempotency_key=key,
        idempotency_ttl_seconds=key_ttl_seconds,
    )


async def fill(layer: TopicLayer, count: int, *, policy: HistoryPolicy = KEPT) -> Position:
    """Publishes b"1", b"2" …; gives the position of the last one."""
    position = Position()
    for number in range(1, count + 1):
        position = (await publish(layer, b"%d" % number, history=policy)).position
    return position


async def read(
    layer: TopicLayer,
    *,
    topic: str = TOPIC,
    policy: HistoryPolicy = KEPT,
    since: Position | None = None,
    limit: int | None = None,
    reverse: bool = False,
) -> History:
    return await layer.history(topic, policy=policy, since=since, limit=limit, reverse=reverse)


async def received_in(layer: ChannelLayer, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(DELIVERY_TIMEOUT_SECONDS):
        return await layer.receive(channel)


def offsets(history: History) -> list[int]:
    return [publication.offset for publication in history.publications]


def contents(publication: Publication) -> tuple[object, ...]:
    info = publication.info or ClientInfo()
    return (
        bytes(publication.data),
        info.user,
        info.client,
        bytes(info.conn_info),
        bytes(info.chan_info),
        publication.tags,
        publication.time,
        publication.offset,
    )
