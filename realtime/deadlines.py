"""When a session must look at the clock next. Monotonic seconds; None: no such deadline now."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Deadlines:
    connect_by: float | None = None
    ping_at: float | None = None
    pong_by: float | None = None
    expire_by: float | None = None
    topics_expire_by: float | None = None
    check_login_at: float | None = None

    @property
    def next(self) -> float | None:
        return earliest(
            (
                self.connect_by,
                self.ping_at,
                self.pong_by,
                self.expire_by,
                self.topics_expire_by,
                self.check_login_at,
            )
        )


def earliest(deadlines: Iterable[float | None]) -> float | None:
    return min((deadline for deadline in deadlines if deadline is not None), default=None)


def is_due(deadline: float | None, now: float) -> bool:
    return deadline is not None and deadline <= now
