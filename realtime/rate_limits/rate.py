"""A rate as settings write it: "100/s", "30/m:50". It counts nothing."""

import math
import re
from dataclasses import dataclass, field
from typing import Self

# Limits count time in these: 2^20 in a second, about a microsecond each. As whole numbers they can be
# added ever so often without an error, in Python as in Lua's doubles.
TICKS_PER_SECOND = 1 << 20

_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(r"([0-9]{1,9})/([smhd])(?::([0-9]{1,9}))?")

EXPECTED = (
    "a count per s, m, h or d and, after a colon, how many may come at once, such as '100/s' or '30/m:50'; "
    "or 'off'"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in `period_seconds` for as long as one likes, and `burst` at once after a rest."""

    count: int
    period_seconds: float
    burst: int
    # In which one is earned, and in which the whole burst is: who rested for so long has no past.
    interval_ticks: int = field(init=False, repr=False, compare=False)
    window_ticks: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.count < 1 or self.burst < 1 or not self.period_seconds > 0:
            raise ValueError(
                f"a rate of {self.count} per {self.period_seconds} s with a burst of {self.burst}"
            )
        # Rounded up: never more than was asked for. At 1,000 in a second that is less than 0.1 %.
        interval_ticks = math.ceil(self.period_seconds * TICKS_PER_SECOND / self.count)
        object.__setattr__(self, "interval_ticks", interval_ticks)
        object.__setattr__(self, "window_ticks", interval_ticks * self.burst)

    @property
    def interval_seconds(self) -> float:
        return self.interval_ticks / TICKS_PER_SECOND

    @property
    def window_seconds(self) -> float:
        return self.window_ticks / TICKS_PER_SECOND

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for "off". Without a burst of its own, a period's count may come at once.

        Raises ValueError; EXPECTED says what would have been right.
        """
        if text == "off":
            return None
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no rate")
        count, period, burst = match.groups()
        return cls(count=int(count), period_seconds=_PERIODS[period], burst=int(burst or count))
