"""How what a client received differs from what was published: the count of what must not happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Faults:
    lost: int = 0
    doubled: int = 0
    reordered: int = 0

    @classmethod
    def of(cls, received: Sequence[int], *, published: int) -> "Faults":
        """`received` are numbers from 0 to `published` - 1, each of which was published once, in order."""
        return cls(
            lost=published - len(set(received)),
            doubled=len(received) - len(set(received)),
            reordered=sum(later < earlier for earlier, later in pairwise(received)),
        )

    def __add__(self, other: "Faults") -> "Faults":
        return Faults(
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            reordered=self.reordered + other.reordered,
        )
