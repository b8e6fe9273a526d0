"""The bell between whoever commits and the relays of the process; and how lags are counted."""

import asyncio
import os

import pytest

from realtime.outbox.bell import Bell
from realtime.outbox.lag import SAMPLES, Lag
from tests.waiting import until


async def test_it_is_heard_from_other_threads_until_it_is_taken_down() -> None:
    bell, heard = Bell(), asyncio.Event()
    bell.hang(heard.set)

    await asyncio.to_thread(bell.ring)

    await asyncio.wait_for(heard.wait(), 5)
    was_heard = bell.is_heard
    bell.remove(heard.set)
    bell.ring()
    assert (was_heard, bell.is_heard) == (True, False)


def test_a_loop_that_has_ended_hears_nothing() -> None:
    bell, rings = Bell(), list[int]()

    async def hang() -> None:
        bell.hang(lambda: rings.append(1))

    asyncio.run(hang())
    bell.ring()

    assert (bell.is_heard, rings) == (False, [])


async def test_a_forked_process_does_not_wake_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    bell, rings = Bell(), list[int]()
    bell.hang(lambda: rings.append(1))

    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        bell.ring()
        assert not bell.is_heard
    bell.ring()

    await until(lambda: bool(rings))
    assert rings == [1]


def test_lags_are_those_of_the_newest_publications() -> None:
    lag = Lag()
    assert lag.percentile(99) == 0

    for number in range(2 * SAMPLES):
        lag.add(number)
    lag.add(-1)  # Another machine's clock is ahead.

    assert SAMPLES <= lag.percentile(1) < SAMPLES + 12
    assert 2 * SAMPLES - 12 < lag.percentile(99) < 2 * SAMPLES
    assert lag.percentile(0) == 0
