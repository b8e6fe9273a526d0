"""The hub: one encoding for all, one write per tick, no event lost, doubled or left behind."""

import asyncio
from dataclasses import dataclass, field

import pytest
from msgspec import Raw

from realtime import hub as hub_module
from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import ClientInfo, Joined, Left, Position, Publication
from realtime.testing import FakeConnection, ManualClock, ManualScheduler, TransparentCodec
from tests.realtime.layers import FailingLayer, GatedLayer, LayerAway, settle

TOPIC = "chat:lobby"
KEPT = HistoryPolicy(size=100, ttl_seconds=60)
INFO = ClientInfo(user="alice", client="1")
NOWHERE = Position()


@dataclass(eq=False)
class FakeSubscriber:
    """Implements Subscriber (realtime/hub.py)."""

    codec: TransparentCodec
    connection: FakeConnection = field(default_factory=FakeConnection)
    wants_topic_id: bool = False
    wants_join_leave: bool = False
    is_positioned: bool = False
    lost: int = 0

    def lose_position(self) -> None:
        self.lost += 1

    @property
    def offsets(self) -> list[int]:
        return [push.pub.offset for push in self.connection.pushes if push.pub is not None]

    @property
    def data(self) -> list[bytes]:
        return [bytes(push.pub.data) for push in self.connection.pushes if push.pub is not None]


class Stage:
    """A hub on a memory layer, with a scheduler that runs by hand."""

    def __init__(self) -> None:
        self.memory = MemoryTopicLayer(clock=ManualClock(), new_epoch=lambda: "now")
        self.failing = FailingLayer(self.memory)
        self.layer = GatedLayer(self.failing)
        self.scheduler = ManualScheduler()
        self.hub = Hub(layer=self.layer, schedule=self.scheduler)
        self.codec = TransparentCodec()

    def subscriber(self, **options: bool) -> FakeSubscriber:
        return FakeSubscriber(self.codec, **options)  # type: ignore[arg-type]  # Flags.

    async def live(self, position: Position = NOWHERE, **options: bool) -> FakeSubscriber:
        subscriber = self.subscriber(**options)
        await self.hub.join(TOPIC, subscriber, conflates=False)
        self.hub.go_live(TOPIC, subscriber, position)
        return subscriber

    async def publish(self, *data: bytes, topic: str = TOPIC, history: HistoryPolicy | None = None) -> None:
        for each in data:
            await self.layer.publish(topic, Publication(data=Raw(each)), history=history)

    def receive(self, offset: int, epoch: str = "now") -> None:
        """As from a layer that may have lost something."""
        self.hub.receive(TOPIC, Publication(data=Raw(b"%d" % offset), offset=offset), epoch)

    def left_behind(self) -> tuple[int, int, int]:
        return len(self.hub), len(self.memory._subscribed), len(self.hub._deliveries)


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ── Fan-out ───────────────────────────────────────────────────────────────────────────────────


async def test_a_publication_is_encoded_once_for_all_subscribers(stage: Stage) -> None:
    subscribers = [await stage.live() for _ in range(50)]

    await stage.publish(b"1")
    stage.scheduler.run()

    assert [subscriber.data for subscriber in subscribers] == [[b"1"]] * 50
    assert (stage.codec.encoded_pushes, stage.codec.batches) == (1, 1)


async def test_a_publication_is_encoded_once_for_each_kind_of_subscriber(stage: Stage) -> None:
    other_codec = TransparentCodec()
    for _ in range(3):
        await stage.live()
        await stage.live(wants_topic_id=True)
        await stage.live(wants_join_leave=True)
    other = FakeSubscriber(other_codec)
    await stage.hub.join(TOPIC, other, conflates=False)
    stage.hub.go_live(TOPIC, other, Position())

    await stage.publish(b"1")
    stage.scheduler.run()

    assert (stage.codec.encoded_pushes, other_codec.encoded_pushes) == (3, 1)


async def test_what_arrives_in_one_tick_leaves_in_one_write(stage: Stage) -> None:
    subscriber = await stage.live()

    await stage.publish(b"1", b"2", b"3")
    before_the_tick = subscriber.data
    stage.scheduler.run()

    assert before_the_tick == []
    assert subscriber.data == [b"1", b"2", b"3"]
    assert subscriber.connection.writes == 1


async def test_one_tick_is_scheduled_however_much_arrives(stage: Stage) -> None:
    await stage.live()

    await stage.publish(*[b"1"] * 100)

    assert len(stage.scheduler) == 1


async def test_clients_that_want_numbers_get_them_in_place_of_the_name(stage: Stage) -> None:
    by_name, by_number = await stage.live(), stage.subscriber(wants_topic_id=True)
    number = await stage.hub.join(TOPIC, by_number, conflates=False)
    stage.hub.go_live(TOPIC, by_number, Position())

    await stage.publish(b"1")
    stage.scheduler.run()

    [named], [numbered] = by_name.connection.pushes, by_number.connection.pushes
    assert (named.channel, named.id) == (TOPIC, 0)
    assert (numbered.channel, numbered.id) == ("", number)
    assert number > 0


async def test_a_topics_number_is_never_given_to_another(stage: Stage) -> None:
    first = stage.subscriber()
    number = await stage.hub.join(TOPIC, first, conflates=False)
    await stage.hub.leave(TOPIC, first)

    assert await stage.hub.join("chat:other", stage.subscriber(), conflates=False) != number


async def test_joins_and_leaves_go_to_those_who_want_them(stage: Stage) -> None:
    curious, other = await stage.live(wants_join_leave=True), await stage.live()

    await stage.layer.broadcast(TOPIC, Joined(INFO))
    await stage.publish(b"1")
    await stage.layer.broadcast(TOPIC, Left(INFO))
    stage.scheduler.run()

    joined, published, left = curious.connection.pushes
    assert (joined.join, left.leave) == (Joined(INFO), Left(INFO))
    assert published.pub is not None
    assert other.data == [b"1"]
    assert len(other.connection.pushes) == 1


async def test_conflating_topics_say_which_batch_may_be_left_out(stage: Stage) -> None:
    subscriber = stage.subscriber()
    await stage.hub.join(TOPIC, subscriber, conflates=True)
    stage.hub.go_live(TOPIC, subscriber, Position())

    await stage.publish(b"1")
    stage.scheduler.run()

    assert subscriber.connection.conflated_topics == [TOPIC]


async def test_a_large_topic_yields_between_its_slices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SLICE", 4)
    subscribers = [await stage.live() for _ in range(10)]
    await stage.publish(b"1")

    reached = []
    while len(stage.scheduler):
        stage.scheduler.run_once()
        reached.append(sum(bool(subscriber.data) for subscriber in subscribers))

    assert reached == [4, 8, 10]


async def test_slices_of_several_publications_keep_their_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SLICE", 3)
    subscribers = [await stage.live() for _ in range(5)]

    for number in range(4):
        await stage.publish(b"%d" % number)
        stage.scheduler.run_once()
    stage.scheduler.run()

    assert [subscriber.data for subscriber in subscribers] == [[b"0", b"1", b"2", b"3"]] * 5


async def test_batches_that_come_faster_than_slices_drain_are_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SLICE", 1)
    monkeypatch.setattr(hub_module, "MAX_WAITING_DELIVERIES", 5)
    subscribers = [await stage.live() for _ in range(10)]

    for number in range(20):
        await stage.publish(b"%d" % number)
        stage.scheduler.run_once()
        assert len(stage.hub._deliveries) <= 5

    stage.scheduler.run()
    assert {len(subscriber.data) for subscriber in subscribers} == {20}


async def test_topics_do_not_mix(stage: Stage) -> None:
    mine, other = await stage.live(), stage.subscriber()
    await stage.hub.join("chat:other", other, conflates=False)
    stage.hub.go_live("chat:other", other, Position())

    await stage.publish(b"mine")
    await stage.publish(b"other", topic="chat:other")
    await stage.publish(b"nobody's", topic="chat:empty")
    stage.scheduler.run()

    assert (mine.data, other.data) == ([b"mine"], [b"other"])


# ── Pending and going live ────────────────────────────────────────────────────────────────────


async def test_a_pending_subscriber_gets_nothing_yet(stage: Stage) -> None:
    await stage.live()
    pending = stage.subscriber()
    await stage.hub.join(TOPIC, pending, conflates=False)

    await stage.publish(b"1")
    stage.scheduler.run()

    assert pending.data == []
    assert stage.hub.count(TOPIC) == 1


async def test_going_live_hands_over_what_came_behind_the_position(stage: Stage) -> None:
    subscriber = stage.subscriber(is_positioned=True)
    await stage.hub.join(TOPIC, subscriber, conflates=False)
    await stage.publish(b"1", b"2", b"3", history=KEPT)

    waited = stage.hub.go_live(TOPIC, subscriber, Position(2, "now"))

    assert [event.offset for event in waited if isinstance(event, Publication)] == [3]
    stage.scheduler.run()
    assert subscriber.data == []


async def test_going_live_before_the_tick_of_a_publication_does_not_double_it(stage: Stage) -> None:
    others = await stage.live()
    subscriber = stage.subscriber()
    await stage.hub.join(TOPIC, subscriber, conflates=False)
    await stage.publish(b"1", history=KEPT)

    waited = stage.hub.go_live(TOPIC, subscriber, Position(0, "now"))
    await stage.publish(b"2", history=KEPT)
    stage.scheduler.run()

    assert len(waited) == 1
    assert (subscriber.data, others.data) == ([b"2"], [b"1", b"2"])


async def test_joins_that_waited_are_handed_over_to_those_who_want_them(stage: Stage) -> None:
    curious, other = stage.subscriber(wants_join_leave=True), stage.subscriber()
    for subscriber in (curious, other):
        await stage.hub.join(TOPIC, subscriber, conflates=False)

    await stage.layer.broadcast(TOPIC, Joined(INFO))

    assert stage.hub.go_live(TOPIC, curious, Position()) == [Joined(INFO)]
    assert stage.hub.go_live(TOPIC, other, Position()) == []


async def test_a_topic_without_a_log_hands_over_everything_that_waited(stage: Stage) -> None:
    subscriber = stage.subscriber()
    await stage.hub.join(TOPIC, subscriber, conflates=False)

    await stage.publish(b"1", b"2")

    assert len(stage.hub.go_live(TOPIC, subscriber, Position())) == 2


async def test_a_reader_that_is_stuck_is_told_to_start_over_and_memory_is_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MAX_PENDING_EVENTS", 3)
    stuck = stage.subscriber(is_positioned=True)
    await stage.hub.join(TOPIC, stuck, conflates=False)

    await stage.publish(*[b"%d" % number for number in range(1, 8)], history=KEPT)

    assert stuck.lost == 1
    assert stage.hub.go_live(TOPIC, stuck, Position(0, "now")) == []
    await stage.publish(b"8", history=KEPT)
    stage.scheduler.run()
    assert stuck.data == []
    await stage.hub.leave(TOPIC, stuck)
    assert stage.left_behind() == (0, 0, 0)


# ── Positions ─────────────────────────────────────────────────────────────────────────────────


async def test_a_duplicate_is_dropped(stage: Stage) -> None:
    subscriber = await stage.live(Position(0, "now"), is_positioned=True)

    for offset in (1, 2, 2, 1, 3):
        stage.receive(offset)
    stage.scheduler.run()

    assert subscriber.offsets == [1, 2, 3]
    assert subscriber.lost == 0


async def test_what_a_subscriber_read_from_the_log_is_not_pushed_again(stage: Stage) -> None:
    subscriber = await stage.live(Position(5, "now"), is_positioned=True)

    for offset in (4, 5, 6):
        stage.receive(offset)
    stage.scheduler.run()

    assert subscriber.offsets == [6]


async def test_a_gap_costs_positioned_subscribers_their_position_and_no_others(stage: Stage) -> None:
    positioned, other = await stage.live(Position(0, "now"), is_positioned=True), await stage.live()

    for offset in (1, 4, 5):
        stage.receive(offset)
    stage.scheduler.run()

    assert (positioned.lost, other.lost) == (1, 0)
    assert other.offsets == [1, 4, 5]


async def test_nothing_behind_a_gap_reaches_a_positioned_subscriber(stage: Stage) -> None:
    # Its client would take the new offset for its position, and recovery would skip the gap.
    live = await stage.live(Position(0, "now"), is_positioned=True)
    pending = stage.subscriber(is_positioned=True)
    await stage.hub.join(TOPIC, pending, conflates=False)

    for offset in (1, 4, 5):
        stage.receive(offset)
    waited = stage.hub.go_live(TOPIC, pending, Position(0, "now"))
    stage.receive(6)
    stage.scheduler.run()

    assert live.offsets == [1]
    assert (waited, pending.offsets, pending.lost) == ([], [], 1)


async def test_a_new_epoch_is_a_gap(stage: Stage) -> None:
    subscriber = await stage.live(Position(7, "before"), is_positioned=True)

    stage.receive(1, epoch="now")
    stage.scheduler.run()

    assert (subscriber.lost, subscriber.offsets) == (1, [])


async def test_the_first_publication_of_a_topic_that_was_never_read_is_no_gap(stage: Stage) -> None:
    subscriber = await stage.live(is_positioned=True)

    stage.receive(5)
    stage.receive(6)
    stage.scheduler.run()

    assert (subscriber.lost, subscriber.offsets) == (0, [5, 6])


async def test_a_log_that_was_lost_while_a_subscriber_read_it_makes_it_start_over(stage: Stage) -> None:
    # What waited is of the lost log, or what was read is: the two must not be put together.
    subscriber = stage.subscriber(is_positioned=True)
    await stage.hub.join(TOPIC, subscriber, conflates=False)
    stage.receive(1, epoch="before")

    waited = stage.hub.go_live(TOPIC, subscriber, Position(0, "now"))
    stage.receive(2, epoch="before")
    stage.scheduler.run()

    assert (waited, subscriber.offsets, subscriber.lost) == ([], [], 1)


async def test_a_subscriber_that_finds_a_new_log_costs_the_others_their_position(stage: Stage) -> None:
    early = await stage.live(Position(5, "before"), is_positioned=True)

    late = await stage.live(Position(0, "now"), is_positioned=True)
    stage.receive(1, epoch="now")
    stage.scheduler.run()

    assert (early.lost, early.offsets) == (1, [])
    assert (late.lost, late.offsets) == (0, [1])


async def test_who_lost_its_position_leaves_nothing_behind(stage: Stage) -> None:
    subscriber = await stage.live(Position(0, "now"), is_positioned=True)
    stage.receive(5)

    await stage.hub.leave(TOPIC, subscriber)
    stage.scheduler.run()

    assert stage.left_behind() == (0, 0, 0)


# ── Leaving ───────────────────────────────────────────────────────────────────────────────────


async def test_the_layer_is_subscribed_with_the_first_and_given_up_with_the_last(stage: Stage) -> None:
    first, second = await stage.live(), await stage.live()
    assert stage.left_behind() == (1, 1, 0)

    await stage.hub.leave(TOPIC, first)
    assert stage.left_behind() == (1, 1, 0)

    await stage.hub.leave(TOPIC, second)
    assert stage.left_behind() == (0, 0, 0)


async def test_a_pending_subscriber_can_leave(stage: Stage) -> None:
    pending = stage.subscriber()
    await stage.hub.join(TOPIC, pending, conflates=False)
    await stage.publish(b"1")

    await stage.hub.leave(TOPIC, pending)
    stage.scheduler.run()

    assert stage.left_behind() == (0, 0, 0)


async def test_leaving_a_topic_that_nobody_is_in_does_nothing(stage: Stage) -> None:
    await stage.hub.leave(TOPIC, stage.subscriber())

    assert stage.left_behind() == (0, 0, 0)


async def test_what_was_published_before_leaving_comes_before_the_end_and_nothing_after(
    stage: Stage,
) -> None:
    # A client that subscribes again at once would get it a second time, from the log.
    subscriber, other = await stage.live(), await stage.live()
    await stage.publish(b"before")

    await stage.hub.leave(TOPIC, subscriber)
    at_the_end = subscriber.data
    await stage.publish(b"after")
    stage.scheduler.run()

    assert (at_the_end, subscriber.data) == ([b"before"], [b"before"])
    assert other.data == [b"before", b"after"]


async def test_leaving_amid_a_sliced_delivery_neither_loses_nor_doubles(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SLICE", 2)
    subscribers = [await stage.live() for _ in range(6)]
    await stage.publish(b"1", b"2")
    stage.scheduler.run_once()

    await stage.hub.leave(TOPIC, subscribers[5])
    stage.scheduler.run()

    assert [subscriber.data for subscriber in subscribers] == [[b"1", b"2"]] * 6


async def test_joining_while_the_topic_is_being_given_up_keeps_it(stage: Stage) -> None:
    first, second = await stage.live(), stage.subscriber()
    stage.layer.gated = {"unsubscribe", "subscribe"}
    leaving = asyncio.ensure_future(stage.hub.leave(TOPIC, first))
    await settle()
    joining = asyncio.ensure_future(stage.hub.join(TOPIC, second, conflates=False))
    await settle()

    stage.layer.open_all()
    await asyncio.gather(leaving, joining)

    stage.hub.go_live(TOPIC, second, Position())
    await stage.publish(b"1")
    stage.scheduler.run()
    assert second.data == [b"1"]
    await stage.hub.leave(TOPIC, second)
    assert stage.left_behind() == (0, 0, 0)


async def test_two_who_join_at_once_subscribe_the_layer_once_and_both_wait_for_it(stage: Stage) -> None:
    stage.layer.gated = {"subscribe"}
    joins = [
        asyncio.ensure_future(stage.hub.join(TOPIC, stage.subscriber(), conflates=False)) for _ in range(2)
    ]
    await settle()

    assert len(stage.layer.gates) == 1
    assert not any(join.done() for join in joins)
    stage.layer.open_all()
    assert len(set(await asyncio.gather(*joins))) == 1


async def test_a_join_that_is_cancelled_leaves_nothing_behind(stage: Stage) -> None:
    stage.layer.gated = {"subscribe"}
    joining = asyncio.ensure_future(stage.hub.join(TOPIC, stage.subscriber(), conflates=False))
    await settle()

    joining.cancel()
    await asyncio.wait([joining])

    assert len(stage.hub) == 0


async def test_a_layer_that_cannot_subscribe_leaves_nothing_behind(stage: Stage) -> None:
    stage.failing.failing = {"subscribe"}

    with pytest.raises(LayerAway):
        await stage.hub.join(TOPIC, stage.subscriber(), conflates=False)

    assert stage.left_behind() == (0, 0, 0)


async def test_one_failed_join_does_not_take_another_with_it(stage: Stage) -> None:
    stage.layer.gated, stage.failing.failing = {"subscribe"}, {"subscribe"}
    first, second = stage.subscriber(), stage.subscriber()
    joins = [
        asyncio.ensure_future(stage.hub.join(TOPIC, subscriber, conflates=False))
        for subscriber in (first, second)
    ]
    await settle()

    stage.layer.open()
    await settle()
    stage.failing.failing = set()
    stage.layer.open_all()
    failed, joined = await asyncio.gather(*joins, return_exceptions=True)

    assert isinstance(failed, LayerAway)
    assert isinstance(joined, int)
    stage.hub.go_live(TOPIC, second, Position())
    await stage.publish(b"1")
    stage.scheduler.run()
    assert second.data == [b"1"]


async def test_a_layer_that_cannot_unsubscribe_leaves_no_route_behind(stage: Stage) -> None:
    subscriber = await stage.live()
    stage.failing.failing = {"unsubscribe"}

    with pytest.raises(LayerAway):
        await stage.hub.leave(TOPIC, subscriber)

    assert len(stage.hub) == 0
    stage.failing.failing = set()
    again = await stage.live()
    await stage.publish(b"1")
    stage.scheduler.run()
    assert again.data == [b"1"]
