"""The rate limits in Redis keep the contract, are shared, and never hold anybody up when Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from realtime.layers.redis import RedisTopicLayer
from realtime.rate_limits.base import Limit
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.rate_limits.rate import TICKS_PER_SECOND, Rate
from realtime.rate_limits.redis import PATIENCE_SECONDS, RedisRateLimiter
from realtime.testing import ManualClock
from realtime.testing.rate_limits import LARGE, SLOW, RateLimiterContract, exhaust, spend
from tests.redis_server import RedisServer
from tests.waiting import until

MakeLimiter = Callable[..., RedisRateLimiter]


class TestRedisRateLimiter(RateLimiterContract):
    @pytest.fixture(autouse=True)
    def _use_redis(self, redis_url: str, redis_prefix: str) -> None:
        self.url, self.prefix = redis_url, redis_prefix

    async def make_limiter(self) -> RedisRateLimiter:
        self.layer = RedisTopicLayer(hosts=[self.url], prefix=self.prefix)
        return _limiter(self.layer)

    async def close_limiter(self, limiter: object) -> None:
        await self.layer.flush()
        await self.layer.close()

    async def rest(self, seconds: float) -> None:
        # Redis' clock is nobody's to turn, and timers come up to a millisecond too early.
        await asyncio.sleep(seconds + 0.002)

    async def put_clock_back(self, limit: Limit, key: str, seconds: float) -> None:
        [shard] = self.layer.shards
        [name] = await shard.call("KEYS", f"{self.prefix}:rate:{limit.name}:*")
        earned_back_at = int(await shard.call("GET", name))
        await shard.call("SET", name, earned_back_at + int(seconds * TICKS_PER_SECOND))


@pytest_asyncio.fixture
async def make_limiter(redis_prefix: str) -> AsyncIterator[MakeLimiter]:
    """make_limiter(url): as another process would have it."""
    layers: list[RedisTopicLayer] = []

    def make(url: str, clock: Callable[[], float] = time.monotonic) -> RedisRateLimiter:
        layers.append(RedisTopicLayer(hosts=[url], prefix=redis_prefix))
        return _limiter(layers[-1], clock)

    yield make
    for layer in layers:
        await layer.close()


def _limiter(layer: RedisTopicLayer, clock: Callable[[], float] = time.monotonic) -> RedisRateLimiter:
    return RedisRateLimiter(layer, local=MemoryRateLimiter(clock=clock), clock=clock)


async def test_processes_share_a_limit(redis_url: str, make_limiter: MakeLimiter) -> None:
    first, second = make_limiter(redis_url), make_limiter(redis_url)

    passed = [await spend(each, SLOW, "alice", times=2) for each in (first, second, first, second)]

    assert passed == [2, 2, 1, 0]


async def test_processes_at_the_same_time_share_a_limit_up_to_what_each_may_hold(
    redis_url: str, make_limiter: MakeLimiter
) -> None:
    limiters = [make_limiter(redis_url) for _ in range(3)]

    passed = await asyncio.gather(*(spend(each, LARGE, "alice", times=200) for each in limiters))

    assert sum(passed) == 200
    assert min(passed) > 0


async def test_what_a_process_holds_unspent_is_a_tenth_of_the_burst_at_most(
    redis_url: str, make_limiter: MakeLimiter
) -> None:
    first, second = make_limiter(redis_url), make_limiter(redis_url)
    # 1, 2, 4, 8, 16 and 20 were granted by then, and of the last all but one is left.
    assert await spend(first, LARGE, "alice", times=32) == 32

    assert await spend(second, LARGE, "alice", times=200) == 200 - 31 - 20
    assert await spend(first, LARGE, "alice", times=30) == 19


async def test_redis_is_asked_for_a_tenth_of_what_passes(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter
) -> None:
    redis = make_redis()
    limiter = make_limiter(redis.url)
    rate = Limit("many", Rate(1000, period_seconds=1, burst=1000))
    await limiter.take(rate, "alice")
    before = _scripts_run(redis)

    assert await spend(limiter, rate, "alice", times=900) == 900

    assert _scripts_run(redis) - before <= 20


async def test_who_is_refused_is_not_asked_about_again(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter
) -> None:
    redis = make_redis()
    limiter = make_limiter(redis.url)
    await exhaust(limiter, SLOW, "alice")
    before = _scripts_run(redis)

    assert await spend(limiter, SLOW, "alice", times=500) == 0

    assert _scripts_run(redis) == before


async def test_what_lay_unused_for_a_window_is_not_spent_twice(
    redis_url: str, make_limiter: MakeLimiter
) -> None:
    clock = ManualClock()
    limiter = make_limiter(redis_url, clock)
    # 1, 2, 4 and 8 were granted: one is left.
    await spend(limiter, LARGE, "alice", times=14)

    clock.advance(LARGE.rate.window_seconds)

    # Redis' clock stood still meanwhile: all that it has is left, and nothing of what was held.
    assert await spend(limiter, LARGE, "alice", times=200) == 200 - 15


async def test_keys_leave_redis_by_themselves(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter
) -> None:
    redis = make_redis()
    brief = Limit("brief", Rate(20, period_seconds=1, burst=2))
    limiter = make_limiter(redis.url)

    await limiter.take(brief, "alice")

    assert len(redis.keys()) == 1
    await until(lambda: not redis.keys())


async def test_while_redis_is_gone_each_process_counts_for_itself(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    redis = make_redis()
    clock = ManualClock()
    first, second = make_limiter(redis.url, clock), make_limiter(redis.url, clock)
    assert await spend(first, SLOW, "alice", times=6) == 5
    redis.stop()
    # Of whom nothing is known here, so that Redis would be asked.
    await _take_in_time(first, "bob")

    passed = [await spend(each, SLOW, "carol", times=7) for each in (first, second)]

    assert passed == [5, 5]
    assert sum("count" in record.message for record in caplog.records) == 2
    redis.restart(keep_data=False)
    await until(lambda: redis.is_running)
    # It is tried again after a moment, by one caller at a time.
    while "rate limits are shared again" not in caplog.text:
        clock.advance(2)
        caplog.set_level("INFO")
        await _take_in_time(first, "dave")
    assert redis.keys()


async def test_a_redis_that_does_not_answer_holds_nobody_up(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter
) -> None:
    redis = make_redis()
    limiter = make_limiter(redis.url)
    await limiter.take(SLOW, "alice")
    redis.pause()
    try:
        started = time.monotonic()
        waits = await asyncio.gather(*(limiter.take(SLOW, f"user{number}") for number in range(100)))
        assert waits == [0] * 100
        # And from now on without waiting.
        assert await spend(limiter, SLOW, "bob", times=6) == 5
        assert time.monotonic() - started < PATIENCE_SECONDS + 1
    finally:
        redis.resume()


async def test_a_caller_who_leaves_while_redis_is_asked_takes_nothing_along(
    make_redis: Callable[..., RedisServer], make_limiter: MakeLimiter
) -> None:
    redis = make_redis()
    limiter = make_limiter(redis.url)
    # 1, 2 and 4 were granted: 2 are left.
    await spend(limiter, LARGE, "alice", times=5)
    redis.pause()
    try:
        leaving = asyncio.create_task(limiter.take(LARGE, "alice", cost=3))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
    finally:
        redis.resume()

    assert await spend(limiter, LARGE, "alice", times=2) == 2


async def _take_in_time(limiter: RedisRateLimiter, key: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS + 1):
        await limiter.take(SLOW, key)


def _scripts_run(redis: RedisServer) -> int:
    statistics = redis.client().info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))
