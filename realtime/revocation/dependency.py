"""What hangs on one row: whose rules, and in which topics, may answer otherwise when it changes."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import Model

from realtime.revocation.batch import MAX_CHANGES, Batch

logger = logging.getLogger(__name__)

# Of a row: ids of users, or names of topics. A callable that fails counts as "all".
OfRow: TypeAlias = Callable[[Any], Iterable[object]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dependency:
    """`fields`: of changed rows only those count in which one of these has changed; empty: all.

    `counts_new`: whether a row that is created counts.
    """

    namespaces: tuple[str, ...] | None = None
    users: OfRow | None = None
    topics: OfRow | None = None
    fields: frozenset[str] = frozenset()
    counts_new: bool = True

    def add_to(self, batch: Batch, row: Model) -> None:
        if batch.has_all_of(self.namespaces):
            return
        batch.rows[self] += 1
        if batch.rows[self] > MAX_CHANGES:
            batch.add_all(users=None, namespaces=self.namespaces, topics=None)
            return
        try:
            users = None if self.users is None else self.users(row)
            topics = None if self.topics is None else map(str, self.topics(row))
            batch.add_all(users=users, namespaces=self.namespaces, topics=topics)
        except Exception:  # The project's code may raise anything, and must not let anybody stay by it.
            logger.exception("whom a row concerns is not known; all are asked again")
            batch.add_all(users=None, namespaces=self.namespaces, topics=None)


def both_names(model: type[Model], fields: Iterable[str]) -> frozenset[str]:
    """Raises FieldDoesNotExist. "team" is "team_id", too, where it refers to a row."""
    attributes = [model._meta.get_field(name) for name in fields]
    return frozenset({getattr(field, "attname", field.name) for field in attributes} | set(fields))
