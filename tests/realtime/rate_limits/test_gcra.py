"""The algorithm, against what it is to promise: for any calls, at any times."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.rate_limits.gcra import NEVER, Meter, decide
from realtime.rate_limits.rate import Rate

RATE = Rate(2, period_seconds=1, burst=3)

rates = st.builds(
    Rate,
    count=st.integers(1, 1000),
    period_seconds=st.sampled_from([1, 60, 3600]),
    burst=st.integers(1, 1000),
)
# Of a day in 2024: with so many digits before the point, few are left behind it.
starts = st.floats(1.7e9, 1.7e9 + 86_400)


def test_a_burst_passes_and_the_next_one_waits_for_its_interval() -> None:
    meter = Meter()

    assert [meter.take(RATE, now=100) for _ in range(4)] == [0, 0, 0, 0.5]
    assert meter.take(RATE, now=100.25) == 0.25
    assert meter.take(RATE, now=100.5) == 0


def test_one_is_earned_per_interval_and_no_more_than_the_burst_is_kept() -> None:
    meter = Meter()
    for _ in range(3):
        meter.take(RATE, now=0)

    assert [meter.take(RATE, now=1_000_000) for _ in range(4)] == [0, 0, 0, 0.5]


def test_nothing_is_let_through_at_the_edge_of_a_window() -> None:
    # What a counter per second would do: 3 at its end and 3 at the next one's beginning.
    meter = Meter()

    passed = [meter.take(RATE, now=now) for now in (0.99, 0.99, 0.99, 1.01, 1.01, 1.01)]

    assert passed.count(0) == 3


@pytest.mark.parametrize("cost", [0, -1, 4])
def test_a_cost_that_never_passes_is_the_callers_fault(cost: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 3"):
        decide(RATE, earned_back_at=NEVER, now=0, cost=cost)


def test_when_the_clock_goes_back_one_interval_is_lost_at_most() -> None:
    meter = Meter()
    meter.take(RATE, now=1_000_000)

    assert 0 < meter.take(RATE, now=5) <= RATE.interval_seconds
    assert meter.take(RATE, now=5 + RATE.interval_seconds) == 0


@given(rates, starts, st.data())
def test_who_waits_as_long_as_told_passes_and_who_comes_earlier_does_not(
    rate: Rate, start: float, data: st.DataObject
) -> None:
    meter = Meter()
    cost = data.draw(st.integers(1, rate.burst))
    for _ in range(math.floor(rate.burst / cost)):
        assert meter.take(rate, now=start, cost=cost) == 0
    spent = math.floor(rate.burst / cost) * cost

    wait = meter.take(rate, now=start, cost=cost)

    assert wait == pytest.approx((spent + cost - rate.burst) * rate.interval_seconds, abs=1e-9)
    # Some ticks, since `start + wait` is rounded, too.
    if wait > 5e-6:
        assert meter.take(rate, now=start + wait - 5e-6, cost=cost) > 0
    assert meter.take(rate, now=start + wait, cost=cost) == 0


@given(rates, starts, st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5)), max_size=100))
def test_never_more_passes_than_the_burst_and_what_was_earned(
    rate: Rate, start: float, calls: list[tuple[float, int]]
) -> None:
    meter = Meter()
    now, passed = start, 0
    for pause, cost in calls:
        now += pause
        if cost <= rate.burst and meter.take(rate, now=now, cost=cost) == 0:
            passed += cost

    assert passed <= rate.burst + (now - start) / rate.interval_seconds + 1e-3
