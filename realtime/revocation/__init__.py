"""Has rules asked again when rows that they read change: a right ends with its row.

    recheck_on(
        Membership,
        namespaces=["team"],
        users=lambda membership: [membership.user_id],
        topics=lambda membership: [f"team:{membership.team.slug}"],
    )

It listens to Django's signals, wherever in the project rows are changed: in a view, the admin, a
command, a task. With the commit, never before it and never after a rollback, an order goes to all
processes (realtime/control.py), which ask the rules of the subscriptions concerned again. What changes
rows past the models (`QuerySet.update`, `bulk_create`, SQL) sends no signals: call recheck() after it.
"""

from collections.abc import Collection, Iterable

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from realtime.revocation.commit import note
from realtime.revocation.dependency import Dependency, OfRow, both_names
from realtime.revocation.relations import watch_relation
from realtime.revocation.rows import watch_rows


def recheck_on(
    model: type[Model],
    *,
    namespaces: Collection[str] | None = None,
    users: OfRow | None = None,
    topics: OfRow | None = None,
    fields: Collection[str] = (),
) -> None:
    """Says that rules read rows of `model`. Called in AppConfig.ready().

    A row that is created, changed or deleted has the rules of `namespaces` asked again (None: of all),
    for `users` alone and for `topics` alone where these are given; of a change both for the row as it
    was and as it is. With `fields`, changes of others do not count. `model` may be the `through` of a
    many-to-many field. The functions are called within the transaction: ids cost nothing, related
    rows a query each.
    """
    dependency = Dependency(
        namespaces=None if namespaces is None else tuple(namespaces),
        users=users,
        topics=topics,
        fields=both_names(model, fields),
    )
    if model._meta.auto_created:  # Django's documented way to a model's options.
        watch_relation(model, dependency)
    else:
        watch_rows(model, dependency)


def recheck(
    *,
    users: Iterable[object] | None = None,
    namespaces: Collection[str] | None = None,
    topics: Iterable[str] | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> None:
    """Has rules asked again once the current transaction is committed; now where there is none. None: all.

    For changes that send no signals. Async code awaits `get_runtime().control.recheck(…)`.
    """
    note(using, lambda batch: batch.add_all(users=users, namespaces=namespaces, topics=topics))
