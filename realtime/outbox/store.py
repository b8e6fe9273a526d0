"""The outbox' table, as one relay uses it: claims rows, and settles what came of them. It blocks."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

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

COLUMNS = ("id", "topic", "partition", "data", "tags", "idempotency_key", "created_at", "attempts")

# The locks are taken row by row, until there are enough; without MATERIALIZED the planner might move
# the condition to where it locks more. One statement, and so one snapshot, from before the locks: a row
# that another relay has published and deleted just then is published again, as a repeat.
CLAIM = f"""
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
SELECT (SELECT count(*) FROM waiting) > (SELECT count(*) FROM claimed), batch.*
FROM (VALUES (1)) AS always LEFT JOIN (
    SELECT {", ".join(COLUMNS)} FROM realtime_outboxrow
    WHERE parked_at IS NULL AND partition IN (SELECT partition FROM claimed)
    ORDER BY id LIMIT %s
) AS batch ON true
ORDER BY batch.id
"""  # noqa: S608  # Of constants.


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
            rows = _rows().filter(~Q(partition__in=without) if without else Q(), parked_at=None)
            claimed = [_row(values) for values in rows.order_by("id").values_list(*COLUMNS)[:BATCH_ROWS]]
            return Claim(claimed, is_more=len(claimed) == BATCH_ROWS)

    def _claim_locked(self, connection: BaseDatabaseWrapper, without: Collection[int]) -> Claim:
        with ExitStack() as stack:
            stack.enter_context(transaction.atomic(using=DEFAULT_DB_ALIAS))
            with connection.cursor() as cursor:
                timeout = f"{IDLE_SECONDS}s"
                cursor.execute(
                    CLAIM,
                    [timeout, list(without), LOOK_AHEAD_ROWS, LOCK_CLASS, BATCH_PARTITIONS, BATCH_ROWS],
                )
                found = cursor.fetchall()
            are_others_left = found[0][0]
            # Without any there is one line of nothing.
            rows = [_row(values) for _, *values in found if values[0] is not None]
            if rows:
                self._claim = stack.pop_all()
        if not rows:
            _hand_back(connection)
        return Claim(rows, is_more=are_others_left or len(rows) == BATCH_ROWS)

    def settle(self, outcome: Outcome) -> None:
        with (
            _saying_when_unavailable(),
            self._claim,
            transaction.atomic(using=DEFAULT_DB_ALIAS, savepoint=False),
        ):
            rows = _rows()
            if outcome.published:
                _delete(outcome.published)
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


def _row(values: Sequence[Any]) -> Row:
    """From COLUMNS."""
    id_, topic, partition, data, tags, idempotency_key, created_at, attempts = values
    return Row(
        id=id_,
        topic=topic,
        partition=partition,
        # PostgreSQL gives a memoryview.
        data=bytes(data),
        # Django reads no JSON where it did not make the query.
        tags=json.loads(tags) if isinstance(tags, str) else tags,
        idempotency_key=idempotency_key,
        created_at=created_at.timestamp(),
        attempts=attempts,
    )


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


def _delete(ids: Sequence[int]) -> None:
    # Once for each batch, and a fifth of what the ORM takes for it.
    marks = ", ".join(["%s"] * len(ids))
    with _connection().cursor() as cursor:
        cursor.execute(f"DELETE FROM realtime_outboxrow WHERE id IN ({marks})", ids)  # noqa: S608  # Marks.


def _hand_back(connection: BaseDatabaseWrapper) -> None:
    """Between claims a pool has its connection back. Without a pool a new one would cost milliseconds."""
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()
