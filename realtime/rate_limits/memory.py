"""Rate limits of one process."""

import logging
from collections.abc import Callable

from realtime.rate_limits.base import Limit
from realtime.rate_limits.gcra import NEVER, decide
from realtime.rate_limits.rate import TICKS_PER_SECOND

logger = logging.getLogger(__name__)

# Of each limit: some 20 MB. Who has so many addresses is not stopped by counting them.
MAX_KEYS = 100_000
# Looked at for each key that is touched: more than come in, so that what is over is gone in the end.
LOOKS = 2


class MemoryRateLimiter:
    """Implements RateLimiter (realtime/rate_limits/base.py). `clock` gives seconds.

    A key is let go of once it has earned back what it spent. Past `max_keys` of one limit, those that
    were quiet for the longest go before, and so are let off.
    """

    def __init__(self, *, clock: Callable[[], float], max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        # By limit and key: when it has earned back all, in ticks. In the order in which they were touched, so
        # that what is over stands in front, a window later at the latest.
        self._tables: dict[str, dict[str, int]] = {}
        self._told: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    async def take(self, limit: Limit, key: str, *, cost: int = 1) -> float:
        return self.take_now(limit, key, cost=cost)

    def take_now(self, limit: Limit, key: str, *, cost: int = 1) -> float:
        """As take(), which need not wait for anything here."""
        table = self._tables.get(limit.name)
        if table is None:
            table = self._tables[limit.name] = {}
        now = self._clock()
        decision = decide(limit.rate, earned_back_at=table.get(key, NEVER), now=now, cost=cost)
        table.pop(key, None)
        table[key] = decision.earned_back_at
        for _ in range(LOOKS):
            oldest = next(iter(table))
            if len(table) > self._max_keys:
                self._tell(limit.name)
            elif table[oldest] > now * TICKS_PER_SECOND:
                break
            del table[oldest]
        return decision.wait_seconds

    def _tell(self, name: str) -> None:
        if name not in self._told:
            self._told.add(name)
            logger.warning("more keys than a limit holds: the quietest are let off", extra={"limit": name})
