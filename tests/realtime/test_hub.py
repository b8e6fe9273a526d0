"""The hub: one encoding for all, one write per tick, no event lost, doubled or left behind."""

import asyncio

import pytest

from realtime import fanout as fanout_module
from realtime import feed as feed_module
from realtime.messages import Joined, Left, Position
from realtime.testing import TransparentCodec
from tests.realtime.hub_stage import INFO, KEPT, TOPIC, FakeSubscriber, Stage
from tests.realtime.layers import LayerAway, settle


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
    await stage.hub.join(TOPIC, other, conflates=False, history=KEPT)
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
    number = await stage.hub.join(TOPIC, by_number, conflates=False, history=KEPT)
    stage.hub.go_live(TOPIC, by_number, Position())

    await stage.publish(b"1")
    stage.scheduler.run()

    [named], [numbered] = by_name.connection.pushes, by_number.connection.pushes
    assert (named.channel, named.id) == (TOPIC, 0)
    assert (numbered.channel, numbered.id) == ("", number)
    assert number > 0


async def test_a_topics_number_is_never_given_to_another(stage: Stage) -> None:
    first = stage.subscriber()
    number = await stage.hub.join(TOPIC, first, conflates=False, history=KEPT)
    await stage.hub.leave(TOPIC, first)

    assert await stage.hub.join("chat:other", stage.subscriber(), conflates=False, history=KEPT) != number


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
    await stage.hub.join(TOPIC, subscriber, conflates=True, history=KEPT)
    stage.hub.go_live(TOPIC, subscriber, Position())

    await stage.publish(b"1")
    stage.scheduler.run()

    assert subscriber.connection.conflated_topics == [TOPIC]


async def test_a_large_topic_yields_between_its_slices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_module, "SLICE", 4)
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
    monkeypatch.setattr(fanout_module, "SLICE", 3)
    subscribers = [await stage.live() for _ in range(5)]

    for number in range(4):
        await stage.publish(b"%d" % number)
        stage.scheduler.run_once()
    stage.scheduler.run()

    assert [subscriber.data for subscriber in subscribers] == [[b"0", b"1", b"2", b"3"]] * 5


async def test_batches_that_come_faster_than_slices_drain_are_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_module, "SLICE", 1)
    monkeypatch.setattr(fanout_module, "MAX_WAITING_DELIVERIES", 5)
    subscribers = [await stage.live() for _ in range(10)]

    for number in range(20):
        await stage.publish(b"%d" % number)
        stage.scheduler.run_once()
        assert len(stage.hub._fanout) <= 5

    stage.scheduler.run()
    assert {len(subscriber.data) for subscriber in subscribers} == {20}


async def test_topics_do_not_mix(stage: Stage) -> None:
    mine, other = await stage.live(), stage.subscriber()
    await stage.hub.join("chat:other", other, conflates=False, history=KEPT)
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
    await stage.hub.join(TOPIC, pending, conflates=False, history=KEPT)

    await stage.publish(b"1")
    stage.scheduler.run()

    assert pending.data == []
    assert stage.hub.count(TOPIC) == 1


async def test_going_live_writes_what_came_behind_the_position(stage: Stage) -> None:
    subscriber = await stage.pending(is_positioned=True)
    await stage.keep(3)

    stage.hub.go_live(TOPIC, subscriber, Position(2, "now"))

    assert subscriber.offsets == [3]
    stage.scheduler.run()
    assert (subscriber.offsets, subscriber.connection.writes) == ([3], 1)


async def test_going_live_before_the_tick_of_a_publication_does_not_double_it(stage: Stage) -> None:
    others = await stage.live()
    subscriber = await stage.pending()
    await stage.publish(b"1", history=KEPT)

    stage.hub.go_live(TOPIC, subscriber, Position(0, "now"))
    await stage.publish(b"2", history=KEPT)
    stage.scheduler.run()

    assert (subscriber.data, others.data) == ([b"1", b"2"], [b"1", b"2"])


async def test_joins_that_waited_are_written_to_those_who_want_them(stage: Stage) -> None:
    curious, other = await stage.pending(wants_join_leave=True), await stage.pending()

    await stage.layer.broadcast(TOPIC, Joined(INFO))
    for subscriber in (curious, other):
        stage.hub.go_live(TOPIC, subscriber, Position())

    assert [push.join for push in curious.connection.pushes] == [Joined(INFO)]
    assert (other.connection.pushes, other.connection.writes) == ([], 0)


async def test_what_waited_goes_to_clients_that_want_numbers_by_number(stage: Stage) -> None:
    subscriber = stage.subscriber(wants_topic_id=True)
    number = await stage.join(subscriber)
    await stage.publish(b"1")

    stage.hub.go_live(TOPIC, subscriber, Position())

    assert [(push.id, push.channel) for push in subscriber.connection.pushes] == [(number, "")]


async def test_a_topic_without_a_log_writes_everything_that_waited(stage: Stage) -> None:
    subscriber = await stage.pending()

    await stage.publish(b"1", b"2")
    stage.hub.go_live(TOPIC, subscriber, Position())

    assert subscriber.data == [b"1", b"2"]


async def test_a_reader_that_is_stuck_is_told_to_start_over_and_memory_is_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_PENDING_EVENTS", 3)
    stuck = stage.subscriber(is_positioned=True)
    await stage.hub.join(TOPIC, stuck, conflates=False, history=KEPT)

    await stage.publish(*[b"%d" % number for number in range(1, 8)], history=KEPT)

    assert stuck.lost == 1
    stage.hub.go_live(TOPIC, stuck, Position(0, "now"))
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


async def test_a_topic_without_a_log_that_skips_costs_positioned_subscribers_their_position(
    stage: Stage,
) -> None:
    # Another process says that there is a log; this one's namespaces say that there is none.
    positioned, other = stage.subscriber(is_positioned=True), stage.subscriber()
    for subscriber in (positioned, other):
        await stage.hub.join(TOPIC, subscriber, conflates=False, history=None)
        stage.hub.go_live(TOPIC, subscriber, Position())

    for offset in (1, 4, 5):
        stage.receive(offset)
    stage.scheduler.run()

    assert (positioned.lost, other.lost) == (1, 0)
    assert (positioned.offsets, other.offsets) == ([1], [1, 4, 5])


async def test_the_first_publication_of_a_topic_that_was_never_read_is_no_gap(stage: Stage) -> None:
    subscriber = await stage.live(is_positioned=True)

    stage.receive(5)
    stage.receive(6)
    stage.scheduler.run()

    assert (subscriber.lost, subscriber.offsets) == (0, [5, 6])


async def test_who_lost_its_position_leaves_nothing_behind(stage: Stage) -> None:
    subscriber = await stage.live(Position(0, "now"), is_positioned=True)
    stage.receive(5)
    await stage.run()

    await stage.hub.leave(TOPIC, subscriber)
    stage.scheduler.run()

    assert subscriber.lost == 1

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
    await stage.hub.join(TOPIC, pending, conflates=False, history=KEPT)
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
    monkeypatch.setattr(fanout_module, "SLICE", 2)
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
    joining = asyncio.ensure_future(stage.hub.join(TOPIC, second, conflates=False, history=KEPT))
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
        asyncio.ensure_future(stage.hub.join(TOPIC, stage.subscriber(), conflates=False, history=KEPT))
        for _ in range(2)
    ]
    await settle()

    assert len(stage.layer.gates) == 1
    assert not any(join.done() for join in joins)
    stage.layer.open_all()
    assert len(set(await asyncio.gather(*joins))) == 1


async def test_a_join_that_is_cancelled_leaves_nothing_behind(stage: Stage) -> None:
    stage.layer.gated = {"subscribe"}
    joining = asyncio.ensure_future(stage.hub.join(TOPIC, stage.subscriber(), conflates=False, history=KEPT))
    await settle()

    joining.cancel()
    await asyncio.wait([joining])

    assert len(stage.hub) == 0


async def test_a_layer_that_cannot_subscribe_leaves_nothing_behind(stage: Stage) -> None:
    stage.failing.failing = {"subscribe"}

    with pytest.raises(LayerAway):
        await stage.hub.join(TOPIC, stage.subscriber(), conflates=False, history=KEPT)

    assert stage.left_behind() == (0, 0, 0)


async def test_one_failed_join_does_not_take_another_with_it(stage: Stage) -> None:
    stage.layer.gated, stage.failing.failing = {"subscribe"}, {"subscribe"}
    first, second = stage.subscriber(), stage.subscriber()
    joins = [
        asyncio.ensure_future(stage.hub.join(TOPIC, subscriber, conflates=False, history=KEPT))
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
