"""How what a client received differs from what was published: the count of what must not happen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from realtime.messages import Position


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


@dataclass(slots=True)
class Stretch:
    """What a client got, beginning right after a position that the server named."""

    start: Position
    offsets: list[int] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)

    def faults(self, top: Position | None) -> Faults:
        """`top`: where it must have got to; None: no further than it did, for the client was told."""
        start, end = self.start, max(self.offsets, default=self.start.offset)
        if top is not None and top.epoch != start.epoch:
            # It never learned of the log that there is now.
            return Faults(lost=max(1, top.offset))
        if top is not None:
            end = max(end, top.offset)
        return Faults.of([offset - start.offset - 1 for offset in self.offsets], published=end - start.offset)


class Trail:
    """What one client got in one topic, and was told about it.

    A client that follows the protocol has one stretch; each further one begins where it was told that
    it could not recover.
    """

    __slots__ = ("position", "recoveries", "stretches")

    def __init__(self) -> None:
        # As SDKs keep it, to recover from.
        self.position = Position()
        self.stretches: list[Stretch] = []
        self.recoveries = 0

    @property
    def has_begun(self) -> bool:
        return bool(self.stretches)

    @property
    def told(self) -> int:
        """How often it was told that it could not recover."""
        return max(0, len(self.stretches) - 1)

    def begin(self, position: Position) -> None:
        """The client's first subscription, or one that was not recovered."""
        self.position = position
        self.stretches.append(Stretch(position))

    def go_on(self) -> None:
        """It was recovered: what it missed comes next."""
        self.recoveries += 1

    def take(self, offset: int, mark: str) -> None:
        """A publication; `mark` is what is in it."""
        self.position = Position(offset, self.position.epoch)
        stretch = self.stretches[-1]
        stretch.offsets.append(offset)
        stretch.marks.append(mark)

    def rest(self) -> None:
        """Forgets what it got: it goes on from where it is."""
        self.stretches = [Stretch(self.position)]
        self.recoveries = 0


class Logs:
    """What was published where, from all who know: the log itself, publishers, and who received it."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str, int], str] = {}

    def add(self, topic: str, epoch: str, entries: Iterable[tuple[int, str]]) -> None:
        """Raises AssertionError where another publication stands at the same place."""
        for offset, mark in entries:
            known = self._marks.setdefault((topic, epoch, offset), mark)
            assert known == mark, f"{topic} has {known} and {mark} at {offset} of {epoch}"

    def count(self) -> int:
        return len(self._marks)

    def faults(self, acknowledged: Iterable[str], *, unknown: Iterable[str]) -> Faults:
        """`acknowledged` must stand in a log, `unknown` may; none may stand in one log twice."""
        logs: dict[tuple[str, str], list[str]] = {}
        for (topic, epoch, _), mark in self._marks.items():
            logs.setdefault((topic, epoch), []).append(mark)
        found, expected = set(self._marks.values()), set(acknowledged)
        strangers = found - expected - set(unknown)
        assert not strangers, f"nobody published {sorted(strangers)[:5]}"
        return Faults(
            lost=len(expected - found), doubled=sum(len(marks) - len(set(marks)) for marks in logs.values())
        )
