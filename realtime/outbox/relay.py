"""Publishes what waits in the outbox, in order, and survives what can happen meanwhile. Not the table.

Order. A relay publishes the rows of a topic one after the other, by id, and stops at the first that
cannot be published yet. A row is deleted only after it was published. So whoever publishes a row
knows that all earlier ones of its topic that it could see have been published, and that holds for any
number of relays at a time: what two of them publish twice, the topic layer knows by its key, and
delivers once. Locks (store.py) only save work.

Once. The layer remembers keys for WINDOW_SECONDS. A relay that is killed between publishing a row and
deleting it leaves the row to another, or to its successor: if that comes within the window, nobody
sees the row twice. A relay that was frozen drops what it claimed long ago.

Never lost. A row goes when the layer has acknowledged the publication. Nothing is published while the
layer is away, and rows wait; what this relay cannot publish though the layer is there is tried
MOST_ATTEMPTS times if that may help, then parked, so that later rows of its topic go on.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

from realtime.errors import CommandError, ErrorCode, LayerUnavailable
from realtime.outbox.bell import Bell
from realtime.outbox.lag import Lag, OutboxStats
from realtime.outbox.rows import Failure, Outcome, Row, Store, StoreUnavailable, partition_of
from realtime.publishing import Publisher

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Listen: TypeAlias = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]

# How long the layer knows a published row. Redis keeps about 200 bytes for each: 100 publications per
# second take 12 MB. A crash costs a relay a second, a machine some minutes.
WINDOW_SECONDS = 600
# A relay that finds itself so late has been frozen; others have long taken its rows.
LONGEST_BATCH_SECONDS = 60

# While rows fail: soon again, then as often as costs nothing.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
# With the pauses above about half a minute: whatever passes by itself has passed.
MOST_ATTEMPTS = 20
# While the database is away, or has no such table.
LONGEST_DATABASE_PAUSE_SECONDS = 5.0
# When all that waits is claimed by other relays: they need milliseconds for it, and do not hear of what
# has come since.
CONTENDED_SECONDS = 0.01

COUNT_EVERY_SECONDS = 5
# How long a stop waits for the batch that is under way.
STOP_SECONDS = 5


@dataclass(slots=True)
class _Rest:
    """A partition of which a row could not be published yet."""

    until: float
    pause: float


class Relay:
    """One task and one thread, from start() to stop(). `clock` gives Unix seconds, `monotonic` timers'.

    `poll_seconds`: how often it looks without being rung for. `listen(ring)` runs as long as the relay
    and calls `ring` when rows of other processes may be there; None where the database cannot tell.
    """

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        bell: Bell,
        listen: Listen | None,
        poll_seconds: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._bell = bell
        self._listen = listen
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._rng = rng
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._rung, self._stopping = asyncio.Event(), asyncio.Event()
        self._resting: dict[int, _Rest] = {}
        # Published here, but perhaps not deleted: the database went away between the two.
        self._unsettled: set[int] = set()
        self._is_database_away = False
        self._lag = Lag()
        self._published = self._repeats = self._waiting = self._parked = 0
        self._oldest_at: float | None = None
        self._count_at = 0.0

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def stats(self) -> OutboxStats:
        return OutboxStats(
            waiting=self._waiting,
            parked=self._parked,
            oldest_seconds=0 if self._oldest_at is None else max(0.0, self._clock() - self._oldest_at),
            published=self._published,
            repeats=self._repeats,
            lag_p50_seconds=self._lag.percentile(50),
            lag_p99_seconds=self._lag.percentile(99),
        )

    def start(self) -> None:
        """On the running loop; once for each loop."""
        loop = asyncio.get_running_loop()
        self._rung, self._stopping = asyncio.Event(), asyncio.Event()
        if self._thread is not None:
            # Of a loop that has ended.
            self._thread.shutdown(wait=False)
        # One: the store's connection belongs to its thread, and batches have an order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="realtime-outbox")
        self._bell.hang(self._ring)
        self._task = loop.create_task(self._run())
        if self._listen is not None:
            self._listening = loop.create_task(self._listen(self._ring))

    async def stop(self) -> None:
        """Finishes the batch that is under way. Does nothing where it was not started."""
        task, self._task = self._task, None
        thread, self._thread = self._thread, None
        listening, self._listening = self._listening, None
        if task is None or thread is None:
            return
        self._bell.remove(self._ring)
        self._stopping.set()
        self._ring()
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        await asyncio.wait([task], timeout=STOP_SECONDS)
        task.cancel()
        await asyncio.wait([task])
        # After whatever the thread is at, which may be a database that hangs.
        await asyncio.wait([asyncio.wrap_future(thread.submit(self._store.release))], timeout=STOP_SECONDS)
        thread.shutdown(wait=False)

    # ── The loop ──────────────────────────────────────────────────────────────────────────────

    def _ring(self) -> None:
        self._rung.set()

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            # Before looking: whoever rings from here on makes it look again.
            self._rung.clear()
            wait_seconds = await self._try()
            if wait_seconds is None:
                await self._in_thread(self._store.release)
                await _wait_for(self._stopping, pause)
                pause = min(2 * pause, LONGEST_DATABASE_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            self._is_database_away = False
            if wait_seconds > 0:
                # Spread: relays that look at one table should not meet there.
                await _wait_for(self._rung, wait_seconds * self._rng.uniform(0.8, 1))

    async def _try(self) -> float | None:
        """As _relay_batch; None where it failed, and was logged."""
        try:
            return await self._relay_batch()
        except StoreUnavailable as error:
            self._log_once_that_the_database_is_away(error)
        except Exception:  # A loop that must survive.
            logger.exception("relaying the outbox failed")
        return None

    async def _relay_batch(self) -> float:
        """How long to wait for a ring before the next one."""
        now = self._monotonic()
        resting = [partition for partition, rest in self._resting.items() if rest.until > now]
        claim = await self._in_thread(self._store.claim, without=resting)
        if claim.rows:
            outcome = await self._publish(claim.rows)
            self._unsettled.update(outcome.published)
            await self._in_thread(self._store.settle, outcome)
            self._unsettled.difference_update(outcome.published)
        if not claim.is_more:
            self._forget_rests_before(now, claim.rows)
            if not self._resting:
                self._waiting, self._oldest_at = 0, None
        if now >= self._count_at:
            self._count_at = now + COUNT_EVERY_SECONDS
            await self._count()
        if claim.is_more:
            return 0 if claim.rows else CONTENDED_SECONDS
        # What was committed since the claim has rung.
        now = self._monotonic()
        rests = [max(0.001, rest.until - now) for rest in self._resting.values()]
        return min([self._poll_seconds, *rests])

    async def _count(self) -> None:
        counts = await self._in_thread(self._store.count)
        self._waiting, self._parked = counts.waiting, counts.parked
        self._oldest_at = counts.oldest_created_at

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(call, *args, **kwargs))

    def _log_once_that_the_database_is_away(self, error: Exception) -> None:
        if not self._is_database_away:
            logger.warning("the outbox cannot be read, trying on (was `migrate` run?): %s", error)
        self._is_database_away = True

    # ── Publishing ────────────────────────────────────────────────────────────────────────────

    async def _publish(self, rows: Sequence[Row]) -> Outcome:
        """Topics side by side, the rows of each one after the other."""
        outcome = Outcome()
        topics: dict[str, list[Row]] = {}
        for row in rows:
            topics.setdefault(row.topic, []).append(row)
        claimed_at = self._clock()
        are_done = await asyncio.gather(
            *(self._publish_topic(of_topic, outcome, claimed_at) for of_topic in topics.values())
        )
        stuck = {partition_of(topic) for topic, is_done in zip(topics, are_done, strict=True) if not is_done}
        for partition in {row.partition for row in rows}:
            if partition in stuck:
                self._let_rest(partition)
            else:
                self._resting.pop(partition, None)
        return outcome

    async def _publish_topic(self, rows: Sequence[Row], outcome: Outcome, claimed_at: float) -> bool:
        """False where one of them has to wait, and so have those after it."""
        for row in rows:
            if row.id in self._unsettled:
                outcome.published.append(row.id)
                continue
            if not 0 <= self._clock() - claimed_at <= LONGEST_BATCH_SECONDS:
                return False
            try:
                published = await self._publisher.publish(
                    row.topic,
                    row.data,
                    tags=row.tags,
                    idempotency_key=row.key,
                    idempotency_ttl_seconds=WINDOW_SECONDS,
                )
            except LayerUnavailable:
                # The layer's own connection logs it.
                return False
            except Exception as error:  # noqa: BLE001  # A layer may fail in its own ways; it is logged.
                if _may_pass(error) and row.attempts + 1 < MOST_ATTEMPTS:
                    logger.warning("not published yet: %s", error, extra=_about(row))
                    outcome.failed.append(Failure(row, _text_of(error)))
                    return False
                logger.error(
                    "a publication cannot be published; the admin shows it in the outbox: %s",
                    error,
                    extra=_about(row),
                )
                outcome.parked.append(Failure(row, _text_of(error)))
            else:
                outcome.published.append(row.id)
                self._lag.add(self._clock() - row.created_at)
                self._published += 1
                self._repeats += published.is_repeat
        return True

    def _forget_rests_before(self, now: float, rows: Sequence[Row]) -> None:
        """Of partitions that were looked for and have no rows: others published what waited there."""
        found = {row.partition for row in rows}
        self._resting = {
            partition: rest
            for partition, rest in self._resting.items()
            if rest.until > now or partition in found
        }

    def _let_rest(self, partition: int) -> None:
        known = self._resting.get(partition)
        pause = FIRST_PAUSE_SECONDS if known is None else min(2 * known.pause, LONGEST_PAUSE_SECONDS)
        self._resting[partition] = _Rest(self._monotonic() + pause, pause)


def _may_pass(error: Exception) -> bool:
    """Not where the row itself is at fault. An unknown namespace may be one that newer workers know."""
    return not isinstance(error, CommandError) or error.code is ErrorCode.UNKNOWN_TOPIC


def _about(row: Row) -> dict[str, object]:
    return {"row": row.id, "topic": row.topic, "attempts": row.attempts + 1}


def _text_of(error: Exception) -> str:
    return str(error) if isinstance(error, CommandError) else repr(error)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, and no longer than that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
