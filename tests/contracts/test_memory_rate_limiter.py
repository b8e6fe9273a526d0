"""The rate limits of one process keep the contract, by a clock that the tests turn."""

import logging

import pytest

from realtime.rate_limits.base import Limit
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.testing import ManualClock
from realtime.testing.rate_limits import SLOW, RateLimiterContract


class TestMemoryRateLimiter(RateLimiterContract):
    async def make_limiter(self) -> MemoryRateLimiter:
        self.clock = ManualClock(1_000_000)
        return MemoryRateLimiter(clock=self.clock)

    async def rest(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def put_clock_back(self, limit: Limit, key: str, seconds: float) -> None:
        self.clock.seconds -= seconds


async def test_when_there_are_too_many_keys_the_quietest_is_let_off(caplog: pytest.LogCaptureFixture) -> None:
    limiter = MemoryRateLimiter(clock=ManualClock(), max_keys=3)
    for key in ("first", "second", "third", "first", "fourth", "fifth"):
        await limiter.take(SLOW, key, cost=2)

    with caplog.at_level(logging.WARNING):
        assert [await limiter.take(SLOW, key, cost=3) for key in ("fifth", "fourth")] == [0, 0]
        assert await limiter.take(SLOW, "first", cost=2) > 0
        assert await limiter.take(SLOW, "second", cost=5) == 0

    assert len(limiter) == 3
    assert len(caplog.records) <= 1
