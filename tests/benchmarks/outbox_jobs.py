"""What the process that measures the outbox is asked, and what it answers. Values; no Django."""

from typing import Literal

import msgspec

How = Literal["no publication", "published after commit", "outbox"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One thread stores messages for `seconds`: `per_second` of them, or all it can where that is 0."""

    how: How
    seconds: float
    per_second: float = 0


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`lags`: from the commit to the listener in this process, in seconds. CPU is of the whole process."""

    count: int
    seconds: float
    cpu_seconds: float
    lags: list[float]
