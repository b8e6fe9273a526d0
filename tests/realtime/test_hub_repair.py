"""What the hub does about events that were lost or late: nobody misses one without being told."""

import asyncio

import pytest

from realtime import feed as feed_module
from realtime import repairs as repairs_module
from realtime.errors import LayerUnavailable
from realtime.layers.base import History, HistoryPolicy
from realtime.messages import Joined, Position
from tests.realtime.hub_stage import INFO, KEPT, TOPIC, FakeListener, Stage
from tests.realtime.layers import settle

SHORT = HistoryPolicy(size=2, ttl_seconds=60)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def count_reads(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics whose logs are read from now on."""
    reads: list[str] = []
    inner = stage.layer.history

    async def history(topic: str, *, policy: HistoryPolicy, since: Position | None = None) -> History:
        reads.append(topic)
        return await inner(topic, policy=policy, since=since)

    monkeypatch.setattr(stage.layer, "history", history)
    return reads


async def doubt_and_read(stage: Stage) -> None:
    """The topic is doubted and its log has been read; the answer is on the way until the gates open."""
    stage.layer.gated = {"history"}
    stage.hub.doubt([TOPIC])
    await settle()
    stage.layer.open()
    await settle()


# ── A gap ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_lost_is_read_once_for_all_and_comes_in_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribers = [await stage.positioned(), await stage.positioned(), await stage.live()]
    reads = count_reads(stage, monkeypatch)

    await stage.keep()
    await stage.lose(2)
    await stage.keep(2)
    await stage.run()

    assert [subscriber.offsets for subscriber in subscribers] == [[1, 2, 3, 4, 5]] * 3
    assert [subscriber.lost for subscriber in subscribers] == [0, 0, 0]
    assert reads == [TOPIC]
    assert not stage.tasks


async def test_events_that_come_while_the_log_is_read_keep_their_order(stage: Stage) -> None:
    subscriber = await stage.live(Position(0, "now"), is_positioned=True, wants_join_leave=True)
    stage.layer.gated = {"history"}
    await stage.lose()
    await stage.keep()
    await stage.layer.broadcast(TOPIC, Joined(INFO))
    await stage.keep()
    await stage.run()
    before = subscriber.connection.pushes

    stage.layer.open_all()
    await stage.run()

    assert before == []
    what = [push.pub.offset if push.pub else "joined" for push in subscriber.connection.pushes]
    assert what == [1, 2, "joined", 3]


async def test_a_second_gap_that_opens_while_the_first_is_read_is_filled_too(stage: Stage) -> None:
    subscriber = await stage.positioned()
    stage.layer.gated = {"history"}
    await stage.lose()
    await stage.keep()
    await settle()
    stage.layer.open()
    await settle()

    # The log was read up to 2, and its answer is on the way.
    await stage.lose()
    await stage.keep()
    stage.layer.open_all()
    await stage.run()

    assert (subscriber.offsets, subscriber.lost) == ([1, 2, 3, 4], 0)


async def test_who_goes_live_during_a_repair_misses_and_doubles_nothing(stage: Stage) -> None:
    early = await stage.positioned()
    stage.layer.gated = {"history"}
    await stage.lose()
    await stage.keep()
    await settle()
    read_before, read_all = [await stage.pending(is_positioned=True) for _ in range(2)]

    stage.hub.go_live(TOPIC, read_before, Position(0, "now"))
    stage.hub.go_live(TOPIC, read_all, Position(2, "now"))
    stage.layer.open_all()
    await stage.keep()
    await stage.run()

    assert (early.offsets, read_before.offsets, read_all.offsets) == ([1, 2, 3], [1, 2, 3], [3])
    assert [each.lost for each in (early, read_before, read_all)] == [0, 0, 0]


async def test_what_the_log_has_no_more_costs_positioned_subscribers_their_position_and_no_others(
    stage: Stage,
) -> None:
    positioned, other = await stage.positioned(), await stage.live()

    await stage.keep()
    await stage.lose(3, policy=SHORT)
    await stage.keep(2, policy=SHORT)
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([1], 1)
    # The log had two when it was read; one that came meanwhile had been kept beside it.
    assert (other.offsets, other.lost) == ([1, 5, 6], 0)


async def test_a_gap_whose_log_was_removed_is_told(stage: Stage) -> None:
    positioned, other = await stage.positioned(), await stage.live()
    await stage.lose(2)
    await stage.memory.remove_history(TOPIC)

    await stage.keep()
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([], 1)
    assert other.offsets == [3]


async def test_a_log_that_was_lost_and_begun_anew_is_told_and_goes_on_from_its_first(stage: Stage) -> None:
    positioned, other = await stage.positioned(), await stage.live()
    await stage.keep(2)
    await stage.memory.flush()

    await stage.lose()
    await stage.keep()
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([1, 2], 1)
    assert other.offsets == [1, 2, 1, 2]
    late = await stage.positioned()
    await stage.keep()
    await stage.run()
    assert late.offsets == [3]


async def test_late_words_of_a_lost_log_change_nothing(stage: Stage) -> None:
    early = await stage.positioned()
    await stage.keep()
    await stage.memory.flush()
    await stage.keep()
    await stage.run()
    positioned, other = await stage.positioned(), await stage.live()

    for offset in (2, 3, 4):
        stage.receive(offset, epoch="now")
        await stage.run()
    await stage.keep()
    await stage.run()

    assert (early.lost, positioned.lost) == (1, 0)
    assert (positioned.offsets, other.offsets) == ([2], [2])


async def test_the_last_words_of_a_lost_log_come_before_the_first_of_the_new(stage: Stage) -> None:
    positioned, other = await stage.positioned(), await stage.live()
    stage.layer.gated = {"history"}
    stage.receive(2)
    await settle()
    stage.receive(3)
    await stage.memory.flush()
    await stage.keep()

    stage.layer.open_all()
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([], 1)
    assert other.offsets == [2, 3, 1]


async def test_a_log_that_was_begun_anew_after_it_was_read_is_read_again(stage: Stage) -> None:
    positioned, other = await stage.positioned(), await stage.live()
    stage.layer.gated = {"history"}
    await stage.lose()
    await stage.keep()
    await settle()
    stage.layer.open()
    await settle()

    # Its answer is on the way.
    await stage.memory.flush()
    await stage.keep()
    stage.layer.open_all()
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([1, 2], 1)
    assert other.offsets == [1, 2, 1]


async def test_a_log_that_went_back_is_told_and_goes_on_from_where_it_is(stage: Stage) -> None:
    # As after a failover to a replica that had not got everything: the same epoch, a smaller offset.
    positioned, other = await stage.positioned(), await stage.live()
    await stage.keep()
    for offset in (2, 3):
        stage.receive(offset)

    stage.hub.doubt([TOPIC])
    await stage.run()
    late = await stage.positioned()
    await stage.keep(3)
    await stage.run()

    assert (positioned.offsets, positioned.lost) == ([1, 2, 3], 1)
    assert other.offsets == [1, 2, 3, 2, 3, 4]
    assert (late.offsets, late.lost) == ([2, 3, 4], 0)


async def test_more_events_than_memory_may_have_end_the_wait_for_the_log(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs_module, "MAX_KEPT_EVENTS", 3)
    positioned, other = await stage.positioned(), await stage.live()
    stage.layer.gated = {"history"}
    await stage.lose()

    await stage.keep(6)
    await stage.run()
    in_the_end = positioned.lost, other.offsets
    stage.layer.open_all()
    await stage.keep()
    await stage.run()

    assert in_the_end == (1, [2, 3, 4, 5, 6, 7])
    assert (positioned.offsets, positioned.lost) == ([], 1)
    assert other.offsets == [2, 3, 4, 5, 6, 7, 8]
    assert not stage.tasks


async def test_an_answer_that_comes_after_the_wait_was_given_up_does_not_bring_the_old_log_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs_module, "MAX_KEPT_EVENTS", 3)
    other = await stage.live()
    await stage.keep()
    stage.layer.gated = {"history"}
    await stage.lose()
    await stage.keep()
    await settle()
    stage.layer.open()
    await settle()
    await stage.memory.flush()

    await stage.keep(4)
    stage.layer.open_all()
    await stage.run()

    assert other.offsets == [1, 3, 1, 2, 3, 4]
    assert not stage.tasks


async def test_a_log_that_is_away_is_asked_again_until_it_is_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber = await stage.positioned()
    reads: list[str] = []

    async def history(topic: str, *, policy: HistoryPolicy, since: Position) -> History:
        reads.append(topic)
        raise LayerUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(stage.layer, "history", history)
        await stage.lose()
        await stage.keep()
        await stage.wait(20)
    await stage.wait(repairs_module.LONGEST_RETRY_SECONDS + 0.25)

    # Soon at first, seldom then.
    assert 6 <= len(reads) <= 16
    assert (subscriber.offsets, subscriber.lost) == ([1, 2], 0)
    assert (len(stage.tasks), len(stage.sleep)) == (0, 0)


async def test_nobody_asks_for_a_topic_that_everybody_has_left(stage: Stage) -> None:
    subscriber = await stage.positioned()
    stage.failing.failing = {"history"}
    await stage.lose()
    await stage.keep()
    await stage.run()

    await stage.hub.leave(TOPIC, subscriber)
    await stage.wait(1)

    assert (len(stage.tasks), len(stage.sleep), stage.left_behind()) == (0, 0, (0, 0, 0))


async def test_a_topic_that_is_joined_anew_begins_with_what_its_log_says_then(stage: Stage) -> None:
    first = await stage.positioned()
    stage.layer.gated = {"unsubscribe"}
    leaving = asyncio.ensure_future(stage.hub.leave(TOPIC, first))
    await settle()
    stage.layer.open()
    await settle()
    # The layer has been unsubscribed; its answer is on the way, and nobody hears this.
    await stage.keep(2)
    second = stage.subscriber(is_positioned=True)
    joining = asyncio.ensure_future(stage.join(second))
    stage.layer.open_all()
    await asyncio.gather(leaving, joining)

    stage.hub.go_live(TOPIC, second, Position(2, "now"))
    await stage.keep()
    stage.scheduler.run()

    # At once: nothing was missed that would have to be read.
    assert (second.offsets, second.lost, stage.tasks) == ([3], 0, set())


async def test_what_goes_wrong_in_one_repair_does_not_stop_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = await stage.positioned()
    with monkeypatch.context() as broken:
        broken.setattr(stage.hub._repairs, "_mend", None)
        await stage.lose()
        await stage.keep()
        await stage.run()
    in_the_log = "repair failed" in caplog.text

    await stage.keep()
    await stage.run()

    assert in_the_log
    assert (subscriber.offsets, subscriber.lost) == ([1, 2, 3], 0)


async def test_a_log_that_cannot_be_read_for_any_other_reason_is_asked_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = await stage.positioned()
    stage.failing.failing = {"history"}
    await stage.lose()
    await stage.keep()
    await stage.run()

    stage.failing.failing = set()
    await stage.wait(1)

    assert "log cannot be read" in caplog.text
    assert subscriber.offsets == [1, 2]


# ── Doubt ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_doubted_topic_gets_what_it_missed(stage: Stage) -> None:
    subscriber = await stage.positioned()
    await stage.lose(2)

    stage.hub.doubt([TOPIC, "chat:nobody"])
    await stage.run()

    assert (subscriber.offsets, subscriber.lost) == ([1, 2], 0)


async def test_a_doubted_topic_that_missed_nothing_is_left_as_it_is(stage: Stage) -> None:
    subscriber = await stage.positioned()
    await stage.keep()

    stage.hub.doubt([TOPIC])
    await stage.run()
    await stage.keep()
    await stage.run()

    assert (subscriber.offsets, subscriber.lost) == ([1, 2], 0)


async def test_events_go_on_while_a_doubted_topic_is_read(stage: Stage) -> None:
    subscriber = await stage.positioned()
    stage.layer.gated = {"history"}
    stage.hub.doubt([TOPIC])
    await settle()

    await stage.keep(2)
    await stage.run()
    at_once = subscriber.offsets
    stage.layer.open_all()
    await stage.run()

    assert at_once == subscriber.offsets == [1, 2]


async def test_a_doubt_during_a_read_is_answered_by_another_read(stage: Stage) -> None:
    subscriber = await stage.positioned()
    await doubt_and_read(stage)

    await stage.lose()
    stage.hub.doubt([TOPIC])
    stage.layer.open_all()
    await stage.run()

    assert (subscriber.offsets, subscriber.lost) == ([1], 0)


async def test_a_topic_that_is_doubted_before_its_log_was_read_is_checked_then(stage: Stage) -> None:
    subscriber = await stage.pending(is_positioned=True)
    await stage.lose()
    stage.hub.doubt([TOPIC])

    stage.hub.go_live(TOPIC, subscriber, Position(0, "now"))
    await stage.run()

    assert (subscriber.offsets, subscriber.lost) == ([1], 0)


async def test_many_doubted_topics_are_not_read_all_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs_module, "MAX_READS", 3)
    topics = [f"chat:{number}" for number in range(10)]
    for topic in topics:
        await stage.positioned(topic)
    stage.layer.gated = {"history"}

    stage.hub.doubt(topics)
    await settle()

    assert len(stage.layer.gates) == 3
    stage.layer.open_all()
    await settle()
    assert not stage.tasks


# ── A log that is ahead of what has come ──────────────────────────────────────────────────────


async def test_who_read_more_than_has_come_waits_for_it_and_gets_it_once(stage: Stage) -> None:
    early = await stage.positioned()
    stage.lossy.holds = True
    await stage.keep(3)
    late = await stage.positioned()
    waiting = stage.hub.count(TOPIC)

    stage.lossy.deliver(TOPIC, 2)
    await stage.run()
    await stage.keep()
    stage.lossy.deliver(TOPIC)
    await stage.run()

    assert waiting == 2
    assert (early.offsets, late.offsets) == ([1, 2, 3, 4], [4])
    assert late.connection.writes == 1


async def test_joins_that_come_while_somebody_waits_are_written_with_the_rest(stage: Stage) -> None:
    await stage.positioned()
    stage.lossy.holds = True
    await stage.keep()
    late = await stage.pending(is_positioned=True, wants_join_leave=True)
    stage.hub.go_live(TOPIC, late, Position(1, "now"))
    await stage.layer.broadcast(TOPIC, Joined(INFO))

    stage.lossy.deliver(TOPIC)
    await stage.run()

    assert [push.join for push in late.connection.pushes] == [Joined(INFO)]


async def test_who_waits_for_what_was_lost_is_freed_after_a_short_time(stage: Stage) -> None:
    early = await stage.positioned()
    await stage.lose(2)
    late = await stage.positioned()

    await stage.wait(repairs_module.HURRY_SECONDS + 0.25)

    assert (early.offsets, late.offsets) == ([1, 2], [])
    await stage.keep()
    await stage.run()
    assert (early.offsets, late.offsets) == ([1, 2, 3], [3])
    assert (early.lost, late.lost, len(stage.tasks)) == (0, 0, 0)


async def test_who_begins_to_wait_during_a_read_is_served_by_the_next(stage: Stage) -> None:
    early = await stage.positioned()
    await doubt_and_read(stage)

    await stage.lose()
    late = await stage.positioned()
    stage.layer.open_all()
    await stage.run()

    # Without a second of patience.
    assert (early.offsets, late.offsets, stage.clock()) == ([1], [], 0)


async def test_who_read_less_than_the_first_gets_what_is_under_way(stage: Stage) -> None:
    # Nothing has come yet: the first who goes live says where the log is, and has read on further.
    slow, fast = await stage.pending(is_positioned=True), await stage.pending(is_positioned=True)
    stage.lossy.holds = True
    await stage.keep(2)
    stage.hub.go_live(TOPIC, fast, Position(2, "now"))
    stage.hub.go_live(TOPIC, slow, Position(0, "now"))

    stage.lossy.deliver(TOPIC)
    await stage.keep()
    stage.lossy.deliver(TOPIC)
    await stage.run()

    assert (slow.offsets, fast.offsets) == ([1, 2, 3], [3])


async def test_who_read_less_and_misses_what_is_lost_gets_it_from_the_log(stage: Stage) -> None:
    slow, fast = await stage.pending(is_positioned=True), await stage.pending(is_positioned=True)
    await stage.lose(2)
    stage.hub.go_live(TOPIC, fast, Position(2, "now"))
    stage.hub.go_live(TOPIC, slow, Position(0, "now"))

    # These must not overtake what is read.
    await stage.keep(2)
    await stage.wait(repairs_module.HURRY_SECONDS + 0.25)

    assert (slow.offsets, fast.offsets) == ([1, 2, 3, 4], [3, 4])
    assert (slow.lost, fast.lost) == (0, 0)


@pytest.mark.parametrize("is_positioned", [True, False])
async def test_who_waits_for_what_nobody_has_is_told(stage: Stage, is_positioned: bool) -> None:
    first = await stage.live(Position(5, "now"), is_positioned=True)
    waits = await stage.pending(is_positioned=is_positioned)
    stage.hub.go_live(TOPIC, waits, Position(7, "now"))

    await stage.wait(repairs_module.HURRY_SECONDS + 0.25)

    assert (first.lost, waits.lost) == (1, int(is_positioned))
    assert stage.hub.count(TOPIC) == (0 if is_positioned else 1)


async def test_who_waits_is_bounded_in_memory(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_PENDING_EVENTS", 3)
    slow, fast = await stage.pending(is_positioned=True), await stage.pending(is_positioned=True)
    await stage.lose(2)
    stage.hub.go_live(TOPIC, fast, Position(2, "now"))
    stage.hub.go_live(TOPIC, slow, Position(0, "now"))

    await stage.keep(5)
    await stage.run()

    assert (slow.lost, slow.offsets, fast.offsets) == (1, [], [3, 4, 5, 6, 7])


async def test_who_leaves_while_it_waits_leaves_nothing_behind(stage: Stage) -> None:
    early = await stage.positioned()
    await stage.lose()
    late = await stage.positioned()

    await stage.hub.leave(TOPIC, late)
    await stage.hub.leave(TOPIC, early)
    await stage.wait(repairs_module.HURRY_SECONDS + 0.25)

    assert (len(stage.tasks), len(stage.sleep), stage.left_behind()) == (0, 0, (0, 0, 0))
    assert stage.hub.subscriptions == 0


# ── Another log than the route's ──────────────────────────────────────────────────────────────


async def test_a_subscriber_that_finds_a_new_log_costs_the_others_their_position(stage: Stage) -> None:
    early = await stage.positioned()
    await stage.memory.flush()

    late = await stage.positioned()
    await stage.run()
    await stage.keep()
    await stage.run()

    assert (early.lost, early.offsets) == (1, [])
    assert (late.lost, late.offsets) == (0, [1])


async def test_a_subscriber_that_comes_with_a_lost_log_is_told_and_no_others(stage: Stage) -> None:
    late = await stage.pending(is_positioned=True)
    await stage.keep()
    read = (await stage.layer.history(TOPIC, policy=KEPT)).top
    await stage.memory.flush()
    await stage.keep()
    await stage.run()
    current = await stage.positioned()

    stage.hub.go_live(TOPIC, late, read)
    await stage.run()
    await stage.keep()
    await stage.run()

    assert (late.lost, late.offsets) == (1, [])
    assert (current.lost, current.offsets) == (0, [2])


async def test_what_waited_of_a_lost_log_is_not_put_together_with_the_new_one(stage: Stage) -> None:
    late = await stage.pending(is_positioned=True)
    await stage.keep(2)
    await stage.memory.flush()
    await stage.keep()

    stage.hub.go_live(TOPIC, late, (await stage.layer.history(TOPIC, policy=KEPT)).top)
    await stage.run()
    await stage.keep()
    await stage.run()

    assert (late.lost, late.offsets) == (0, [2])


async def test_what_waited_of_a_lost_log_is_forgotten_by_who_has_read_the_new_one_early(stage: Stage) -> None:
    late = await stage.pending(is_positioned=True)
    await stage.publish(b"old", b"old", history=KEPT)
    await stage.memory.flush()
    read = (await stage.layer.history(TOPIC, policy=KEPT)).top
    await stage.publish(b"new", history=KEPT)
    await stage.run()

    stage.hub.go_live(TOPIC, late, read)

    assert (late.lost, late.data) == (0, [b"new"])


# ── The watch over positions ──────────────────────────────────────────────────────────────────


async def watch(stage: Stage, seconds: float) -> None:
    watching = asyncio.ensure_future(stage.hub.watch_positions(interval_seconds=30))
    await stage.wait(seconds)
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_loss_that_no_publication_reveals_is_found_within_two_intervals(stage: Stage) -> None:
    subscriber = await stage.positioned()
    await stage.lose()

    await watch(stage, 75)

    assert (subscriber.offsets, subscriber.lost) == ([1], 0)


async def test_silent_topics_are_read_about_once_per_interval_and_not_together(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        await stage.positioned(f"chat:{number}")
    at: list[float] = []

    async def history(topic: str, *, policy: HistoryPolicy, since: Position) -> History:
        at.append(stage.clock())
        return History([], since)

    monkeypatch.setattr(stage.layer, "history", history)

    await watch(stage, 300)

    # Ten intervals, of which the first two only look.
    assert 140 <= len(at) <= 200
    assert max(at.count(moment) for moment in at) <= 5


async def test_topics_where_nobody_needs_it_are_not_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.live()
    await stage.keep()
    await stage.hub.join("chat:other", stage.subscriber(), conflates=False, history=None)
    reads = count_reads(stage, monkeypatch)

    await watch(stage, 100)

    assert reads == []


async def test_a_topic_that_is_heard_from_is_not_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.positioned()
    reads = count_reads(stage, monkeypatch)
    watching = asyncio.ensure_future(stage.hub.watch_positions(interval_seconds=30))

    for _ in range(20):
        await stage.keep()
        await stage.wait(10)
    watching.cancel()
    await asyncio.wait([watching])

    assert reads == []


async def test_a_log_that_is_away_is_left_to_the_next_round(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.positioned()
    reads = count_reads(stage, monkeypatch)
    stage.failing.failing = {"history"}

    await watch(stage, 100)

    assert 1 <= len(reads) <= 4


async def test_a_layer_that_says_it_is_away_is_not_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.positioned()
    reads = count_reads(stage, monkeypatch)
    monkeypatch.setattr(type(stage.memory), "is_available", False)

    await watch(stage, 100)

    assert reads == []


async def test_the_watch_goes_on_after_a_failure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    subscriber = await stage.positioned()
    await stage.lose()
    look, calls = stage.hub._look_at_positions, iter([True])

    def fail_once(interval_seconds: float) -> None:
        if next(calls, False):
            raise ValueError
        look(interval_seconds)

    monkeypatch.setattr(stage.hub, "_look_at_positions", fail_once)

    await watch(stage, 75)

    assert subscriber.offsets == [1]


# ── Listeners ─────────────────────────────────────────────────────────────────────────────────


async def test_a_listener_gets_what_was_lost(stage: Stage) -> None:
    listener = FakeListener()
    await stage.hub.listen(TOPIC, listener, history=KEPT)

    await stage.lose(2)
    await stage.keep()
    await stage.run()

    assert listener.heard == [1, 2, 3]


async def test_a_listener_is_told_what_cannot_be_had_and_hears_on(stage: Stage) -> None:
    listener = FakeListener()
    await stage.hub.listen(TOPIC, listener, history=SHORT)

    await stage.keep(policy=SHORT)
    await stage.lose(3, policy=SHORT)
    await stage.keep(2, policy=SHORT)
    await stage.run()

    assert listener.heard == [1, "lost", 5, 6]


async def test_a_listener_hears_on_in_a_new_log(stage: Stage) -> None:
    listener = FakeListener()
    await stage.hub.listen(TOPIC, listener, history=KEPT)
    await stage.keep(2)
    await stage.memory.flush()

    await stage.keep(2)
    await stage.run()

    assert listener.heard == [1, 2, "lost", 1, 2]


async def test_a_listener_that_is_ahead_of_what_comes_hears_it_once(stage: Stage) -> None:
    await stage.positioned()
    listener = FakeListener()
    stage.lossy.holds = True
    await stage.keep(2)
    await stage.hub.listen(TOPIC, listener, history=KEPT)

    await stage.keep()
    stage.lossy.deliver(TOPIC)

    assert listener.heard == [3]


async def test_a_listener_whose_log_takes_too_long_is_told_and_hears_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_PENDING_EVENTS", 2)
    listener = FakeListener()
    stage.layer.gated = {"history"}
    listening = asyncio.ensure_future(stage.hub.listen(TOPIC, listener, history=KEPT))
    await settle()
    await stage.keep(3)

    stage.layer.open_all()
    await listening
    await stage.keep()

    assert listener.heard == ["lost", 4]


async def test_a_listener_is_watched_over(stage: Stage) -> None:
    listener = FakeListener()
    await stage.hub.listen(TOPIC, listener, history=KEPT)
    await stage.lose()

    await watch(stage, 75)

    assert listener.heard == [1]


async def test_a_listener_that_fails_costs_nobody_else_anything(stage: Stage) -> None:
    class Failing(FakeListener):
        def hear(self, publication: object) -> None:
            raise ValueError

        def lost(self) -> None:
            raise ValueError

    failing, listener = Failing(), FakeListener()
    await stage.hub.listen(TOPIC, failing, history=KEPT)
    await stage.hub.listen(TOPIC, listener, history=KEPT)

    await stage.keep()
    await stage.memory.flush()
    await stage.keep()
    await stage.run()

    assert listener.heard == [1, "lost", 1]


async def test_who_stops_listening_while_its_log_is_read_hears_nothing(stage: Stage) -> None:
    listener = FakeListener()
    stage.layer.gated = {"history"}
    listening = asyncio.ensure_future(stage.hub.listen(TOPIC, listener, history=KEPT))
    await settle()

    await stage.hub.unlisten(TOPIC, listener)
    stage.layer.open_all()
    await listening
    await stage.keep()

    assert (listener.heard, stage.left_behind()) == ([], (0, 0, 0))
