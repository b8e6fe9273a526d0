"""How far the outbox is behind: what waits, and how long publications took. Measured, not configured."""

from collections import deque
from dataclasses import dataclass

# Percentiles are those of the newest so many: a 99th needs more than a hundred.
SAMPLES = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """The outbox as this process saw it last.

    `waiting`, `parked` and `oldest_seconds` (0: nothing waits) are of the whole table, at most some
    seconds ago; the rest is this process' own relay since its start. `repeats`: rows that had been
    published before, by a relay that could not delete them. Lag: from the row's writing until it is
    published, so the rest of its transaction is in it; of the newest publications, 0 before the first.
    """

    waiting: int = 0
    parked: int = 0
    oldest_seconds: float = 0
    published: int = 0
    repeats: int = 0
    lag_p50_seconds: float = 0
    lag_p99_seconds: float = 0


class Lag:
    """The newest lags, in seconds."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=SAMPLES)

    def add(self, seconds: float) -> None:
        # Machines' clocks differ.
        self._samples.append(max(0.0, seconds))

    def percentile(self, percent: float) -> float:
        """By the nearest rank; 0 where there is none."""
        if not self._samples:
            return 0.0
        ordered = sorted(self._samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
