"""The generic cell rate algorithm (ITU-T I.371): one number says all of a caller's past. Pure.

The number is the moment at which the caller will have earned back all that it spent. Each unit
moves it on by one interval, and it may lie no further ahead than the burst. So there are no windows
at whose edges twice as much passes, and when the next unit will be there is known exactly.
"""

from typing import NamedTuple

from realtime.rate_limits.rate import TICKS_PER_SECOND, Rate

# Of a caller that has not spent anything: before any clock began.
NEVER = -(1 << 62)


class Decision(NamedTuple):
    """`earned_back_at` is in ticks (realtime/rate_limits/rate.py), of the clock that it was asked by.

    `wait_seconds` is 0 where it was let through. Otherwise nothing was spent, and after so long the
    same cost passes, if nothing else is spent meanwhile.
    """

    earned_back_at: int
    wait_seconds: float


def decide(rate: Rate, *, earned_back_at: int, now: float, cost: int = 1) -> Decision:
    """`now` is of any clock that counts seconds, `earned_back_at` is of the last decision, or NEVER.

    Raises ValueError for a cost over the burst, which would never pass.
    """
    if not 0 < cost <= rate.burst:
        raise ValueError(f"a cost of {cost}, expected 1 to {rate.burst}, the burst of the limit")
    window = rate.window_ticks
    now_ticks = int(now * TICKS_PER_SECOND)
    # More than the window cannot have been spent: then the clock went back, and who spent
    # something an hour ahead must not wait for that hour.
    spent_until = min(max(earned_back_at, now_ticks), now_ticks + window)
    after = spent_until + cost * rate.interval_ticks
    wait = after - now_ticks - window
    if wait > 0:
        return Decision(spent_until, wait / TICKS_PER_SECOND)
    return Decision(after, 0)


class Meter:
    """One caller's past at one rate, for those who keep it themselves."""

    __slots__ = ("_earned_back_at",)

    def __init__(self) -> None:
        self._earned_back_at = NEVER

    def take(self, rate: Rate, *, now: float, cost: int = 1) -> float:
        """As RateLimiter.take (realtime/rate_limits/base.py)."""
        self._earned_back_at, wait = decide(rate, earned_back_at=self._earned_back_at, now=now, cost=cost)
        return wait
