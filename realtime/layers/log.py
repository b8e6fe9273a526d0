"""One topic's log in memory: publications with consecutive offsets. Pure; time comes in."""

from collections import deque
from itertools import islice

from realtime.layers.base import History, HistoryPolicy
from realtime.messages import Position, Publication


class TopicLog:
    """Keeps the newest `policy.size` publications until `policy.ttl_seconds` after the last one.

    The offset outlives the publications: who comes back after they expired sees that it missed some.
    """

    __slots__ = ("_expires_at", "_publications", "epoch", "offset", "touched_at")

    def __init__(self, epoch: str, now: float) -> None:
        self.epoch = epoch
        self.offset = 0
        self.touched_at = now
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
        self.touched_at = now
        self._expires_at = now + policy.ttl_seconds
        self._publications.append(publication)
        while len(self._publications) > policy.size:
            self._publications.popleft()

    def read(self, *, since: Position | None, limit: int | None, reverse: bool, now: float) -> History:
        self.expire(now)
        self.touched_at = now
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
