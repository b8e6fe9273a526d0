"""The contract of a rate limiter, whoever shares it."""

from dataclasses import dataclass
from typing import Protocol

from realtime.rate_limits.rate import Rate


@dataclass(frozen=True, slots=True)
class Limit:
    """`name` tells the limits of one limiter apart: each of them counts for itself."""

    name: str
    rate: Rate


class RateLimiter(Protocol):
    """Counts by limit and key: a user, an address. What nobody asks for any more takes no memory."""

    async def take(self, limit: Limit, key: str, *, cost: int = 1) -> float:
        """0 where it may be done, and it counts as done. Otherwise the seconds after which it may, and
        nothing has been counted.

        It never fails and answers soon, whatever lies behind it. Raises ValueError for a cost over the
        burst, which would never pass.
        """

    def __len__(self) -> int:
        """How many keys this process holds."""
