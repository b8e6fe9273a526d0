"""Rate limits that all processes share, in Redis.

To ask Redis for each publication would cost as much as publishing it. So a caller who keeps coming
is granted several at once, which this process then spends by itself: 1, 2, 4, … up to a tenth of
the burst. They are counted when they are granted. So however many processes there are, over time they
let no more through than the rate; at one moment it may be a tenth of the burst per process more or less.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from realtime.errors import LayerUnavailable
from realtime.layers.redis import RedisTopicLayer
from realtime.rate_limits.base import Limit
from realtime.rate_limits.memory import LOOKS, MAX_KEYS, MemoryRateLimiter
from realtime.rate_limits.rate import TICKS_PER_SECOND
from realtime.redis.script import Script

logger = logging.getLogger(__name__)

TAKE = Script.load("rate_limit.lua")

# How long a caller may wait for Redis: a limit is not worth more. Then each process counts for itself.
PATIENCE_SECONDS = 0.5
# How long it does so before one caller tries Redis again.
AWAY_SECONDS = 2.0
# What of the burst a process may hold unspent.
SHARE = 10


class _Purse:
    """What this process holds of one caller's limit. Moments are of the process' clock."""

    __slots__ = ("granted", "refused_until", "unspent", "until")

    def __init__(self) -> None:
        self.unspent = 0
        # With the last grant; the next may be twice as much.
        self.granted = 0
        # Until when Redis has nothing to give.
        self.refused_until = 0.0
        # When all of this means nothing any more.
        self.until = 0.0


class RedisRateLimiter:
    """Implements RateLimiter (realtime/rate_limits/base.py) beside the topics of `layer`.

    While Redis is away or slow, `local` counts instead: each process on its own, so that a caller gets
    as much from each. `clock` gives seconds that never jump.
    """

    def __init__(
        self, layer: RedisTopicLayer, *, local: MemoryRateLimiter, clock: Callable[[], float]
    ) -> None:
        self._layer = layer
        self._local = local
        self._clock = clock
        # By limit and key, in the order in which they were asked for.
        self._tables: dict[str, dict[str, _Purse]] = {}
        # Until when nobody asks Redis.
        self._away_until = 0.0
        self._is_away = False

    def __len__(self) -> int:
        return sum(map(len, self._tables.values())) + len(self._local)

    async def take(self, limit: Limit, key: str, *, cost: int = 1) -> float:
        rate = limit.rate
        if not 0 < cost <= rate.burst:
            raise ValueError(f"a cost of {cost}, expected 1 to {rate.burst}, the burst of {limit.name}")
        now = self._clock()
        if now < self._away_until:
            return self._local.take_now(limit, key, cost=cost)
        purse = self._open(limit, key, now)
        if purse.unspent >= cost:
            purse.unspent -= cost
            return 0
        if now < purse.refused_until:
            needed = cost - purse.unspent
            return purse.refused_until - now + (needed - 1) * rate.interval_seconds
        if self._is_away:
            # One tries, and the others do not wait to see what comes of it.
            self._away_until = now + AWAY_SECONDS
        # While this waits, others of the same key may ask too: what is held belongs to this one.
        held, purse.unspent = purse.unspent, 0
        needed = cost - held
        wanted = max(needed, min(2 * purse.granted or 1, rate.burst // SHARE))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                granted, wait_seconds = await self._ask(limit, key, needed, wanted)
        except (LayerUnavailable, RedisError, TimeoutError) as error:
            purse.unspent += held
            self._note_away(error)
            return self._local.take_now(limit, key, cost=cost)
        except BaseException:
            purse.unspent += held
            raise
        self._note_back()
        purse.unspent += held + granted
        purse.granted = granted or purse.granted
        if purse.unspent >= cost:
            # Perhaps by what another one was granted meanwhile.
            purse.unspent -= cost
            return 0
        purse.refused_until = self._clock() + wait_seconds - (needed - 1) * rate.interval_seconds
        return wait_seconds

    def _open(self, limit: Limit, key: str, now: float) -> _Purse:
        table = self._tables.get(limit.name)
        if table is None:
            table = self._tables[limit.name] = {}
        purse = table.pop(key, None)
        if purse is None or purse.until <= now:
            # What lay unused for a window has been earned anew by now: it must not be spent twice.
            purse = _Purse()
        if not purse.unspent:
            purse.until = now + limit.rate.window_seconds
        table[key] = purse
        for _ in range(LOOKS):
            oldest = next(iter(table))
            if table[oldest].until > now and len(table) <= MAX_KEYS:
                break
            del table[oldest]
        return purse

    async def _ask(self, limit: Limit, key: str, needed: int, wanted: int) -> tuple[int, float]:
        rate = limit.rate
        # A key may be as long as its maker liked, and an address is nobody's business.
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        name = f"{self._layer.prefix}:rate:{limit.name}:{digest}"
        granted, wait_ticks = await self._layer.shard_of(name).run(
            TAKE, [name], (TICKS_PER_SECOND, rate.interval_ticks, rate.burst, needed, wanted)
        )
        return granted, wait_ticks / TICKS_PER_SECOND

    def _note_away(self, error: Exception) -> None:
        self._away_until = self._clock() + AWAY_SECONDS
        if not self._is_away:
            self._is_away = True
            reason = str(error) or type(error).__name__
            logger.warning("each process counts its rate limits for itself: %s", reason)

    def _note_back(self) -> None:
        self._away_until = 0.0
        if self._is_away:
            self._is_away = False
            logger.info("rate limits are shared again")
