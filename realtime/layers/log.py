"""One topic's log in memory: publications with consecutive offsets. Pure; time comes in."""

from collections import deque
from itertools import islice

from realtime.layers.base import History, HistoryPolicy
from realtime.messages import Position, Publication


class TopicLog:
    """Keeps what its HistoryPolicy says. `now` is in the seconds of one clock."""

    __slots__ = ("_expires_at", "_forget_at", "_publications", "epoch", "offset")

    def __init__(self, epoch: str, now: float) -> None:
        self.epoch = epoch
        self.offset = 0
        self._forget_at = now
        self._publications: deque[Publication] = deque()
        self._expires_at = now

    def __len__(self) -> int:
        return len(self._publications)

    @property
    def top(self) -> Position:
        return Position(offset=self.offset, epoch=self.epoch)

    @property
    def next_offset(self) -> int:
        return self.offset + 1

    def append(self, publication: Publication, policy: HistoryPolicy, now: float) -> None:
        """`publication.offset` must be `next_offset`."""
        self.expire(now)
        self.offset = publication.offset
        self._forget_at = now + policy.meta_ttl_seconds
        self._expires_at = now + policy.ttl_seconds
        self._publications.append(publication)
        while len(self._publications) > policy.size:
            self._publications.popleft()

    def read(
        self, policy: HistoryPolicy, now: float, *, since: Position | None, limit: int | None, reverse: bool
    ) -> History:
        """See TopicLayer.history."""
        self.expire(now)
        self._forget_at = now + policy.meta_ttl_seconds
        held = self._publications
        if not held:
            return History([], self.top)
        first = held[0].offset
        if reverse:
            # Offsets have no gaps, so positions in the deque are offsets minus the first one.
            count = len(held) if since is None else min(max(since.offset - first, 0), len(held))
            newest_first = (held[index] for index in range(count - 1, -1, -1))
            return History(list(islice(newest_first, limit)), self.top)
        start = 0 if since is None else max(since.offset + 1 - first, 0)
        stop = None if limit is None else start + limit
        return History(list(islice(held, start, stop)), self.top)

    def clear(self) -> None:
        self._publications.clear()

    def expire(self, now: float) -> None:
        if self._publications and now >= self._expires_at:
            self._publications.clear()

    def is_forgettable(self, now: float) -> bool:
        """Whether the position, too, has outlived its time."""
        return now >= self._forget_at and not self._publications
