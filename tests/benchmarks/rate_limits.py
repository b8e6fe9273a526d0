"""What a check against a rate limit costs, in this process and against Redis.

    python -m tests.benchmarks.rate_limits [redis://…]

Microseconds of CPU of this process per check, the best of five runs.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from realtime.layers.redis import RedisTopicLayer
from realtime.rate_limits.base import Limit, RateLimiter
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.rate_limits.rate import Rate
from realtime.rate_limits.rates import Rates
from realtime.rate_limits.redis import RedisRateLimiter
from realtime.rate_limits.throttle import ConnectionMeters, Throttle

CHECKS = 20_000
RUNS = 5
# Never reached, and as large a burst as the default.
OPEN = Limit("open", Rate(1_000_000, period_seconds=1, burst=2000))
CLOSED = Limit("closed", Rate(1, period_seconds=3600, burst=1))
UNREACHED = Rates(
    publish_per_connection=OPEN.rate, publish_per_user=OPEN.rate, commands_per_connection=OPEN.rate
)


async def measure(name: str, check: Callable[[int], Awaitable[object]], *, checks: int = CHECKS) -> None:
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for number in range(checks):
            await check(number)
        best = min(best, (time.process_time() - began) / checks * 1e6)
    print(f"| {name} | {best:.2f} µs |")


async def measure_limiter(name: str, limiter: RateLimiter) -> None:
    await measure(f"{name}: one caller, let through", lambda _: limiter.take(OPEN, "alice"))
    await limiter.take(CLOSED, "alice")
    await measure(f"{name}: one caller, refused", lambda _: limiter.take(CLOSED, "alice"))
    await measure(
        f"{name}: each check by another caller", lambda number: limiter.take(OPEN, f"{number}"), checks=5000
    )
    throttle = Throttle(UNREACHED, limiter=limiter, clock=time.monotonic)
    meters = ConnectionMeters()

    async def publish(_: int) -> None:
        throttle.command(meters)
        await throttle.publish(meters, "alice")

    await measure(f"{name}: all three that a publication passes", publish)


async def main(redis_url: str = "") -> None:
    print("| | CPU per check |\n|---|---|")
    await measure_limiter("memory", MemoryRateLimiter(clock=time.monotonic))
    if redis_url:
        layer = RedisTopicLayer(hosts=[redis_url], prefix="benchmark-rates")
        local = MemoryRateLimiter(clock=time.monotonic)
        await measure_limiter("Redis", RedisRateLimiter(layer, local=local, clock=time.monotonic))
        await layer.flush()
        await layer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
