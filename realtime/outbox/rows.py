"""Rows of the outbox as a relay sees them, and what it needs of their table. No database."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from realtime.errors import RealtimeError

# What relays claim, so that two of them seldom work on the same topic. More would make claims dearer;
# fewer would let unrelated topics wait for each other when one of them fails.
PARTITIONS = 64


def partition_of(topic: str) -> int:
    """The same in every process and for ever: rows keep it."""
    return zlib.crc32(topic.encode()) % PARTITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`created_at`: when it was written, in Unix seconds."""

    id: int
    topic: str
    partition: int
    data: bytes
    tags: Mapping[str, str] | None
    idempotency_key: str
    created_at: float
    attempts: int

    @property
    def key(self) -> str:
        """By which the topic layer knows a row that was published before.

        The time is in it because ids begin anew with a new database, and Redis may be the old one.
        """
        return self.idempotency_key or f"outbox:{self.id}:{round(self.created_at * 1_000_000):x}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row was not published, though the layer was there."""

    row: Row
    error: str


@dataclass(slots=True)
class Outcome:
    """What came of the rows of a claim. Those in no list stay as they are."""

    published: list[int] = field(default_factory=list)
    # To be tried again.
    failed: list[Failure] = field(default_factory=list)
    # Not to be tried again until somebody says so.
    parked: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows by id. `is_more`: others were there that could have been claimed, too, had they not been too
    many, or with another relay.
    """

    rows: Sequence[Row]
    is_more: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows wait and are parked; when the oldest that waits was written, in Unix seconds."""

    waiting: int
    parked: int
    oldest_created_at: float | None


class StoreUnavailable(RealtimeError):
    """The table cannot be used now: the database is away, or was not migrated."""


class Store(Protocol):
    """What a relay needs of a table. All calls come from one thread, one after the other.

    A claim is followed by settle() or release(), however long that takes; others may have claimed the
    same rows: a relay's order and its keys allow for that (relay.py), locks only save double work.
    """

    def claim(self, *, without: Collection[int]) -> Claim:
        """The oldest rows, by id, of other partitions than `without`. Empty claims need no release."""

    def settle(self, outcome: Outcome) -> None: ...

    def release(self) -> None:
        """Leaves the rows and lets go of the connection, whatever state it is in. Never raises."""

    def count(self) -> Counts: ...
