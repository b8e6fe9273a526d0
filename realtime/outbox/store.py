"""The outbox' table, as one relay uses it: claims rows, and settles what came of them. It blocks."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Min, Q, QuerySet
from django.utils import timezone

from realtime.outbox.rows import Claim, Counts, Outcome, Row, StoreUnavailable

if TYPE_CHECKING:
    from realtime.outbox.models import OutboxRow

# What is claimed at once: enough to spread a transaction's cost, few enough that nobody waits long
# for their end.
BATCH_ROWS = 256
# A quarter of all partitions, so that several relays share what has piled up.
BATCH_PARTITIONS = 16
# How far a claim looks for partitions: a backlog may be long, and this is done for each claim of it.
LOOK_AHEAD_ROWS = 1_000

# Any number that others are unlikely to take for their advisory locks.
LOCK_CLASS = 0x5B0B
# The server ends a relay's transaction that stands still, and so gives its partitions to others: a
# machine that vanished says no goodbye. Longer than a layer takes to say that it is away.
IDLE_SECONDS = 30

# The locks are taken row by row, until there are enough; without MATERIALIZED the planner might move
# the condition to where it locks more.
CLAIM = """
WITH bound AS MATERIALIZED (SELECT set_config('idle_in_transaction_session_timeout', %s, true)),
waiting AS MATERIALIZED (
    SELECT partition FROM (
        SELECT id, partition FROM realtime_outboxrow, bound
        WHERE parked_at IS NULL AND NOT partition = ANY(%s)
        ORDER BY id LIMIT %s
    ) AS oldest
    GROUP BY partition ORDER BY min(id)
),
claimed AS MATERIALIZED (
    SELECT partition FROM waiting WHERE pg_try_advisory_xact_lock(%s, partition) LIMIT %s
)
SELECT (SELECT array_agg(partition::int) FROM claimed), EXISTS (SELECT FROM waiting)
"""


class DatabaseStore:
    """Implements Store over Django's default database, with the connection of the calling thread.

    On PostgreSQL a claim is a transaction that holds the advisory locks of its rows' partitions;
    elsewhere nothing is locked, since SQLite has one lock for all, and that is the writers'.
    """

    def __init__(self) -> None:
        self._claim = ExitStack()

    def claim(self, *, without: Collection[int]) -> Claim:
        connection = _connection()
        with _saying_when_unavailable():
            if connection.vendor == "postgresql":
                return self._claim_locked(connection, without)
            return Claim(self._read(~Q(partition__in=without) if without else Q()))

    def _claim_locked(self, connection: BaseDatabaseWrapper, without: Collection[int]) -> Claim:
        with ExitStack() as stack:
            stack.enter_context(transaction.atomic(using=DEFAULT_DB_ALIAS))
            with connection.cursor() as cursor:
                cursor.execute(
                    CLAIM,
                    [f"{IDLE_SECONDS}s", list(without), LOOK_AHEAD_ROWS, LOCK_CLASS, BATCH_PARTITIONS],
                )
                partitions, is_any = cursor.fetchone()
            # With a new snapshot: what others published before they let go is no longer there.
            rows = self._read(Q(partition__in=partitions)) if partitions else []
            if rows:
                self._claim = stack.pop_all()
        if not rows:
            _hand_back(connection)
        return Claim(rows, is_contended=is_any and not rows)

    def settle(self, outcome: Outcome) -> None:
        with (
            _saying_when_unavailable(),
            self._claim,
            transaction.atomic(using=DEFAULT_DB_ALIAS, savepoint=False),
        ):
            rows = _rows()
            if outcome.published:
                rows.filter(id__in=outcome.published).delete()
            for failure in outcome.failed:
                rows.filter(id=failure.row.id).update(attempts=F("attempts") + 1, error=failure.error)
            for failure in outcome.parked:
                rows.filter(id=failure.row.id).update(
                    attempts=F("attempts") + 1, error=failure.error, parked_at=timezone.now()
                )

    def release(self) -> None:
        # What the database says to that is of no interest: it rolls back when the connection ends.
        with suppress(_Released, DatabaseError, ImproperlyConfigured), self._claim:
            raise _Released
        with suppress(DatabaseError):
            _connection().close()

    def count(self) -> Counts:
        waiting = Q(parked_at=None)
        with _saying_when_unavailable():
            found = _rows().aggregate(
                waiting=Count("id", filter=waiting),
                parked=Count("id", filter=~waiting),
                oldest=Min("created_at", filter=waiting),
            )
            _hand_back(_connection())
        oldest: datetime | None = found["oldest"]
        return Counts(
            waiting=found["waiting"],
            parked=found["parked"],
            oldest_created_at=None if oldest is None else oldest.timestamp(),
        )

    def _read(self, condition: Q) -> list[Row]:
        found = (
            _rows()
            .filter(condition, parked_at=None)
            .order_by("id")
            .values_list(
                "id", "topic", "partition", "data", "tags", "idempotency_key", "created_at", "attempts"
            )[:BATCH_ROWS]
        )
        return [
            Row(
                id=id_,
                topic=topic,
                partition=partition,
                # PostgreSQL gives a memoryview.
                data=bytes(data),
                tags=tags,
                idempotency_key=key,
                created_at=created_at.timestamp(),
                attempts=attempts,
            )
            for id_, topic, partition, data, tags, key, created_at, attempts in found
        ]


class _Released(Exception):
    """Rolls a claim back."""


@contextmanager
def _saying_when_unavailable() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, ImproperlyConfigured) as error:
        raise StoreUnavailable(str(error).strip()) from error


def _connection() -> BaseDatabaseWrapper:
    return connections[DEFAULT_DB_ALIAS]


def _rows() -> "QuerySet[OutboxRow]":
    # Not imported: the runtime may be imported before there are models.
    return apps.get_model("realtime", "OutboxRow").objects.using(DEFAULT_DB_ALIAS)


def _hand_back(connection: BaseDatabaseWrapper) -> None:
    """Between claims a pool has its connection back. Without a pool a new one would cost milliseconds."""
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()
