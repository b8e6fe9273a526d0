"""The contract suite of rate limiters: what realtime/rate_limits/base.py promises, as tests.

class TestMemoryRateLimiter(RateLimiterContract):
    async def make_limiter(self): ...
    async def rest(self, seconds): ...
    async def put_clock_back(self, limit, key, seconds): ...
"""

# ruff: noqa: S101  # It is a test suite, shipped for whoever writes a limiter.

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from realtime.rate_limits.base import Limit, RateLimiter
from realtime.rate_limits.rate import Rate

# Nothing is earned while a test runs: one in 100 s.
SLOW = Limit("slow", Rate(36, period_seconds=3600, burst=5))
# Ten at once, and one in 0.1 s.
QUICK = Limit("quick", Rate(10, period_seconds=1, burst=10))
# More than a limiter may take at once in advance.
LARGE = Limit("large", Rate(36, period_seconds=3600, burst=200))
# What may pass between two calls of a test on a busy machine.
SLACK_SECONDS = 5.0


@pytest.mark.asyncio
class RateLimiterContract:
    """Subclass it, and say how a limiter is made and how time passes for it."""

    async def make_limiter(self) -> RateLimiter:
        """A new one of which nothing has been asked."""
        raise NotImplementedError

    async def close_limiter(self, limiter: RateLimiter) -> None:
        """After each test."""

    async def rest(self, seconds: float) -> None:
        """Returns when so much time has passed for the limiter."""
        raise NotImplementedError

    async def put_clock_back(self, limit: Limit, key: str, seconds: float) -> None:
        """As if the limiter's clock had gone back after the last call for `key`."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def limiter(self) -> AsyncIterator[RateLimiter]:
        limiter = await self.make_limiter()
        yield limiter
        await self.close_limiter(limiter)

    async def test_a_burst_passes_and_nothing_after_it(self, limiter: RateLimiter) -> None:
        assert await spend(limiter, SLOW, "alice", times=8) == 5

    async def test_a_large_burst_passes_to_the_last(self, limiter: RateLimiter) -> None:
        assert await spend(limiter, LARGE, "alice", times=250) == 200

    async def test_a_refusal_says_when_the_next_one_passes(self, limiter: RateLimiter) -> None:
        await spend(limiter, SLOW, "alice", times=5)

        wait = await limiter.take(SLOW, "alice")

        assert 100 - SLACK_SECONDS < wait <= 100

    async def test_what_passes_after_the_wait_passes_once(self, limiter: RateLimiter) -> None:
        wait = await exhaust(limiter, QUICK, "alice")

        await self.rest(wait)

        assert await limiter.take(QUICK, "alice") == 0
        assert await limiter.take(QUICK, "alice") > 0

    async def test_a_refusal_costs_nothing(self, limiter: RateLimiter) -> None:
        await exhaust(limiter, QUICK, "alice")
        refused = [await limiter.take(QUICK, "alice") for _ in range(100)]

        # The last, since the first ones may have come before all had passed that can.
        await self.rest(refused[-1])

        assert await limiter.take(QUICK, "alice") == 0

    async def test_who_rested_has_the_burst_again_and_no_more(self, limiter: RateLimiter) -> None:
        await exhaust(limiter, QUICK, "alice")

        await self.rest(QUICK.rate.window_seconds)

        passed = await spend(limiter, QUICK, "alice", times=10)
        assert passed == 10
        assert await limiter.take(QUICK, "alice") > 0

    async def test_a_cost_counts_as_so_many(self, limiter: RateLimiter) -> None:
        assert await limiter.take(SLOW, "alice", cost=3) == 0
        assert await limiter.take(SLOW, "alice", cost=2) == 0

        assert await limiter.take(SLOW, "alice") > 0

    async def test_a_cost_waits_until_all_of_it_is_there(self, limiter: RateLimiter) -> None:
        await limiter.take(SLOW, "alice", cost=4)

        wait = await limiter.take(SLOW, "alice", cost=3)

        assert 200 - SLACK_SECONDS < wait <= 200
        assert await limiter.take(SLOW, "alice") == 0

    async def test_a_refused_cost_says_the_same_once_more(self, limiter: RateLimiter) -> None:
        await exhaust(limiter, SLOW, "alice")

        waits = [await limiter.take(SLOW, "alice", cost=cost) for cost in (1, 3, 1)]

        assert [round(wait, -2) for wait in waits] == [100, 300, 100]

    @pytest.mark.parametrize("cost", [0, -1, 6])
    async def test_a_cost_that_never_passes_is_the_callers_fault(
        self, limiter: RateLimiter, cost: int
    ) -> None:
        with pytest.raises(ValueError, match="expected 1 to 5"):
            await limiter.take(SLOW, "alice", cost=cost)
        assert await spend(limiter, SLOW, "alice", times=6) == 5

    async def test_keys_count_each_for_itself(self, limiter: RateLimiter) -> None:
        await exhaust(limiter, SLOW, "alice")

        assert await spend(limiter, SLOW, "bob", times=6) == 5

    async def test_limits_count_each_for_itself(self, limiter: RateLimiter) -> None:
        await exhaust(limiter, SLOW, "alice")

        assert await limiter.take(QUICK, "alice") == 0

    @pytest.mark.parametrize("key", ["", "ü", "\ud800", "a b\n:{}*", "x" * 100_000])
    async def test_any_text_is_a_key(self, limiter: RateLimiter, key: str) -> None:
        assert await spend(limiter, SLOW, key, times=6) == 5

    async def test_callers_at_the_same_time_get_no_more(self, limiter: RateLimiter) -> None:
        waits = await asyncio.gather(*(limiter.take(LARGE, "alice") for _ in range(300)))

        assert waits.count(0) == 200

    async def test_a_clock_that_goes_back_locks_nobody_out(self, limiter: RateLimiter) -> None:
        await limiter.take(SLOW, "alice")

        await self.put_clock_back(SLOW, "alice", seconds=30 * 86_400)

        wait = await limiter.take(SLOW, "alice")
        assert wait <= SLOW.rate.interval_seconds

    async def test_keys_that_are_over_take_no_memory(self, limiter: RateLimiter) -> None:
        brief = Limit("brief", Rate(100, period_seconds=1, burst=1))
        for number in range(1000):
            await limiter.take(brief, f"{number}")
        await self.rest(brief.rate.window_seconds)

        for _ in range(500):
            await self.rest(brief.rate.window_seconds) if len(limiter) > 1 else None
            await limiter.take(brief, "another")

        assert len(limiter) == 1


async def spend(limiter: RateLimiter, limit: Limit, key: str, *, times: int) -> int:
    """How many of them passed."""
    waits = [await limiter.take(limit, key) for _ in range(times)]
    return waits.count(0)


async def exhaust(limiter: RateLimiter, limit: Limit, key: str) -> float:
    """Takes all there is; gives back what the first refusal said."""
    while not (wait := await limiter.take(limit, key)):
        pass
    return wait
