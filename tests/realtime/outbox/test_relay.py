"""The relay, on real tables: what it publishes in which order, and what it does when something is away."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from realtime.errors import LayerUnavailable
from realtime.outbox import listening, publish_on_commit
from realtime.outbox.bell import bell
from realtime.outbox.listening import listen_forever
from realtime.outbox.models import OutboxRow
from realtime.outbox.relay import LONGEST_BATCH_SECONDS
from realtime.outbox.rows import Claim, Outcome, StoreUnavailable, partition_of
from realtime.outbox.store import BATCH_ROWS, DatabaseStore
from realtime.topics.namespace import Namespace
from tests.realtime.outbox.stage import Stage, in_thread, layer_is_away, write
from tests.waiting import until

# Their partitions differ, so that the one does not wait for the other.
A, B, PLAIN = "news:a", "news:b", "plain:a"
assert len({partition_of(topic) for topic in (A, B, PLAIN)}) == 3


async def rows() -> list[OutboxRow]:
    return await in_thread(lambda: list(OutboxRow.objects.order_by("id")))


async def is_emptied() -> None:
    await rows_left(0)


async def rows_left(count: int, *, parked: bool = False) -> list[OutboxRow]:
    """Waits until there are so many, all of them parked or none that needs be."""
    async with asyncio.timeout(10):
        while True:
            left = await rows()
            if len(left) == count and all(row.parked_at is not None for row in left if parked):
                return left
            await asyncio.sleep(0.01)


async def test_what_waited_before_the_start_is_published_in_order(stage: Stage) -> None:
    await stage.write((A, 1), (PLAIN, 1), (A, 2), (PLAIN, 2), (A, 3))

    stage.start_relay()
    await is_emptied()

    assert (stage.of(A), stage.of(PLAIN)) == ([1, 2, 3], [1, 2])


async def test_a_commit_rings_and_its_rows_are_published_at_once(stage: Stage) -> None:
    stage.start_relay()
    await stage.write((A, 1))
    await until(lambda: stage.of(A) == [1])

    await stage.write((A, 2), (B, 1))

    await until(lambda: len(stage.received) == 3)
    await is_emptied()
    assert stage.of(A) == [1, 2]


async def test_a_commit_rings_the_relays_of_its_own_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.bell = bell
    relay = stage.start_relay()
    await until(lambda: relay.stats.waiting == 0)

    await in_thread(write, (A, 1))

    await until(lambda: stage.of(A) == [1])


async def test_what_is_rolled_back_is_never_published(stage: Stage) -> None:
    stage.start_relay()

    def write_some() -> None:
        with transaction.atomic():
            publish_on_commit(A, 1)
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                publish_on_commit(A, 2)
                raise ZeroDivisionError
            publish_on_commit(A, 3)
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            publish_on_commit(A, 4)
            raise ZeroDivisionError

    await in_thread(write_some)
    await stage.write((A, 5))

    await is_emptied()
    assert stage.of(A) == [1, 3, 5]


async def test_rows_that_nobody_rings_for_are_found(stage: Stage) -> None:
    stage.start_relay(poll_seconds=0.05)

    await in_thread(write, (A, 1))

    await until(lambda: stage.of(A) == [1])


async def test_many_more_rows_than_a_batch_keep_their_order(stage: Stage) -> None:
    numbers = list(range(2 * BATCH_ROWS + 10))
    await stage.write(*((topic, number) for number in numbers for topic in (A, PLAIN)))

    stage.start_relay()
    await is_emptied()

    assert (stage.of(A), stage.of(PLAIN)) == (numbers, numbers)


async def test_several_relays_publish_everything_once_and_in_order(stage: Stage) -> None:
    relays = [stage.start_relay(poll_seconds=0.01) for _ in range(3)]

    for number in range(60):
        await stage.write(*((topic, number) for topic in (A, B, PLAIN)))
    await is_emptied()
    await until(lambda: len(stage.received) == 180)

    assert [stage.of(topic) for topic in (A, B, PLAIN)] == [list(range(60))] * 3
    assert sum(relay.stats.published - relay.stats.repeats for relay in relays) == 180


async def test_while_the_layer_is_away_rows_wait_and_then_go_in_order(stage: Stage) -> None:
    stage.layer.fail = layer_is_away
    relay = stage.start_relay()
    for number in range(5):
        await stage.write((A, number), (B, number))
    await until(lambda: stage.layer.calls >= 4)
    away = list(stage.received), len(await rows())

    stage.layer.fail = None

    await is_emptied()
    assert away == ([], 10)
    assert (stage.of(A), stage.of(B)) == (list(range(5)), list(range(5)))
    assert relay.stats.parked == 0


async def test_a_topic_that_must_wait_holds_up_no_other(stage: Stage) -> None:
    def fail(topic: str) -> None:
        if topic == A:
            raise LayerUnavailable("only this shard")

    stage.layer.fail = fail
    stage.start_relay()

    for number in range(3):
        await stage.write((A, number), (B, number))
    await until(lambda: stage.of(B) == [0, 1, 2])
    before = stage.of(A)
    stage.layer.fail = None

    await until(lambda: stage.of(A) == [0, 1, 2])
    assert before == []


@pytest.mark.parametrize(
    ("topic", "data", "reason"),
    [("news:c", "x" * 1_001, "106 limit exceeded"), ("no space", 1, "107 bad request")],
    ids=["too large", "bad name"],
)
async def test_a_row_that_nobody_can_publish_is_parked_and_said(
    stage: Stage, topic: str, data: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage.start_relay()

    await stage.write((A, 1), (topic, data), (A, 2))
    await until(lambda: stage.of(A) == [1, 2])
    [parked] = await rows_left(1, parked=True)

    assert (parked.topic, parked.attempts) == (topic, 1)
    assert parked.error.startswith(reason)
    assert f"a publication cannot be published; the admin shows it in the outbox: {reason}" in caplog.text


async def test_an_unknown_namespace_may_become_known_while_workers_are_replaced(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.start_relay()
    await stage.write(("late:a", 1))
    await until(lambda: "not published yet: 102 unknown channel" in caplog.text)
    stage.layer._inner._subscribed.add("late:a")  # type: ignore[attr-defined]  # The memory layer's.

    stage.namespaces.register(Namespace(name="late"))

    await until(lambda: stage.of("late:a") == [1])


async def test_a_row_that_always_fails_is_parked_in_the_end_and_its_topic_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("realtime.outbox.relay.MOST_ATTEMPTS", 3)
    failures = 0

    def fail(_topic: str) -> None:
        nonlocal failures
        failures += 1
        if failures <= 3:
            raise ValueError("as the test wants it")

    stage.layer.fail = fail
    stage.start_relay()

    await stage.write((A, 1), (A, 2))

    await until(lambda: stage.of(A) == [2])
    [parked] = await rows_left(1, parked=True)
    assert (parked.attempts, parked.error) == (3, "ValueError('as the test wants it')")
    assert caplog.text.count("not published yet") == 2


class ForgetfulStore(DatabaseStore):
    """Loses the database between a publication and the deletion of its row, so many times."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses

    def settle(self, outcome: Outcome) -> None:
        if self.losses:
            self.losses -= 1
            raise StoreUnavailable("as the test wants it")
        super().settle(outcome)


async def test_what_could_not_be_deleted_is_not_published_again(stage: Stage) -> None:
    store = ForgetfulStore(losses=2)
    relay = stage.start_relay(store=store)

    await stage.write((A, 1), (PLAIN, 1))
    await is_emptied()
    await stage.write((A, 2), (PLAIN, 2))
    await is_emptied()

    assert store.losses == 0
    assert (stage.of(A), stage.of(PLAIN)) == ([1, 2], [1, 2])
    assert relay.stats.published == 4


async def test_the_successor_of_a_relay_that_was_killed_before_it_could_delete_doubles_nothing(
    stage: Stage,
) -> None:
    killed = stage.start_relay(store=ForgetfulStore(losses=1_000))
    await stage.write((A, 1), (PLAIN, 1))
    await until(lambda: len(stage.received) == 2)
    await killed.stop()

    successor = stage.start_relay()
    await is_emptied()
    await stage.write((A, 2), (PLAIN, 2))
    await is_emptied()

    assert (stage.of(A), stage.of(PLAIN)) == ([1, 2], [1, 2])
    assert successor.stats.repeats == 2


async def test_a_relay_that_was_frozen_drops_what_it_claimed_long_ago(stage: Stage) -> None:
    """Nobody knows what others have published meanwhile, and whether the layer still knows it."""
    ticks = iter([0.0, LONGEST_BATCH_SECONDS + 1])
    relay = stage.start_relay(clock=lambda: next(ticks, time.time()))

    await stage.write((A, 1))

    await is_emptied()
    assert stage.of(A) == [1]
    # It was claimed again, and published then.
    assert relay.stats.published == 1


async def test_a_database_that_is_away_is_said_once_and_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    class AwayStore(DatabaseStore):
        claims = 0

        def claim(self, **options: object) -> Claim:
            self.claims += 1
            if self.claims <= 3:
                raise StoreUnavailable("no such table")
            return super().claim(**options)  # type: ignore[arg-type]  # As they came.

    stage.start_relay(store=AwayStore())

    await stage.write((A, 1))

    await until(lambda: stage.of(A) == [1])
    assert caplog.text.count("was `migrate` run?): no such table") == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_stop_finishes_what_is_under_way(stage: Stage) -> None:
    relay = stage.start_relay()
    await stage.write(*((A, number) for number in range(20)))
    await until(lambda: len(stage.received) > 0)

    await relay.stop()

    published = len(stage.received)
    assert stage.of(A) == list(range(published))
    assert len(await rows()) == 20 - published


async def test_it_tells_what_waits_and_how_long_publications_take(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.outbox.relay.COUNT_EVERY_SECONDS", 0)
    stage.layer.fail = layer_is_away
    relay = stage.start_relay()
    await stage.write((A, 1), ("no space", 1))
    await until(lambda: relay.stats.waiting == 1 and relay.stats.parked == 1)
    waiting = relay.stats
    stage.layer.fail = None
    await until(lambda: relay.stats.waiting == 0)

    assert waiting.oldest_seconds > 0
    assert (relay.stats.published, relay.stats.oldest_seconds) == (1, 0)
    assert relay.stats.lag_p99_seconds == relay.stats.lag_p50_seconds > 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_relays_in_other_processes_share_topics_instead_of_doing_all_twice(stage: Stage) -> None:
    await in_thread(write, (A, 1), (B, 1))

    def look() -> tuple[Claim, Claim, Claim]:
        one, other = DatabaseStore(), DatabaseStore()
        first = one.claim(without=())
        # Another connection, as another process has.
        connections["default"], ours = connections.create_connection("default"), connections["default"]
        second = other.claim(without=())
        other.release()
        connections["default"] = ours
        one.release()
        return first, second, one.claim(without=[partition_of(A)])

    first, second, without_a = await in_thread(look)

    assert [row.topic for row in first.rows] == [A, B]
    assert (second.rows, second.is_more) == ([], True)
    assert [row.topic for row in without_a.rows] == [B]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_rows_of_processes_without_a_relay_are_heard_of_at_once(stage: Stage) -> None:
    is_listening = asyncio.Event()

    async def listen(ring: Callable[[], None]) -> None:
        def heard() -> None:
            is_listening.set()
            ring()

        await listen_forever(heard)

    # It looks by itself once a minute, and nobody rings.
    stage.start_relay(listen=listen)
    await is_listening.wait()

    await in_thread(write, (A, 1))

    await until(lambda: stage.of(A) == [1])


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_it_listens_again_after_its_connection_was_cut(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE_SECONDS", 0.01)
    heard: list[int] = []
    task = asyncio.create_task(listen_forever(lambda: heard.append(1)))
    await until(lambda: len(heard) == 1)

    def cut() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
            )

    await in_thread(cut)
    await until(lambda: len(heard) == 2)
    await in_thread(write, (A, 1))
    await until(lambda: len(heard) == 3)

    task.cancel()
    await asyncio.wait([task])
    assert "the outbox does not hear of other processes' rows" in caplog.text
