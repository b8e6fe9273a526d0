"""Writes a publication into the outbox, in the transaction of whoever calls. It publishes nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils import timezone

from realtime.outbox.bell import CHANNEL, bell
from realtime.outbox.rows import partition_of
from realtime.topics.name import TopicName

if TYPE_CHECKING:
    from realtime.outbox.models import OutboxRow


def publish_on_commit(
    topic: str | TopicName,
    data: Any,
    *,
    tags: Mapping[str, str] | None = None,
    idempotency_key: str = "",
) -> None:
    """Publishes `data` (bytes as they are, anything else as JSON) when the transaction has committed.

    The publication is a row in the default database, written here: a rollback, of a savepoint too,
    takes it with it; once committed it is published even if this process ends at once. Outside of a
    transaction it commits by itself.

    Order: publications of one transaction in one topic keep theirs; a transaction that writes after
    another has committed comes after it. Two that run at the same time come in either order, unless
    a lock makes one wait for the other before it calls this.

    Once each, as long as a relay that is killed between publishing and deleting a row has a successor
    within ten minutes (WINDOW_SECONDS in relay.py). With an `idempotency_key` of its own, a publication
    that repeats one of the same topic and key within that time is dropped.

    Returns before anything is published. What no relay can publish (unknown namespace, too large) is
    logged, and shown in the admin. Raises TypeError for data that is no JSON, and what the database
    raises.
    """
    payload = data if isinstance(data, bytes) else msgspec.json.encode(data)
    name = str(topic)
    _rows().objects.using(DEFAULT_DB_ALIAS).create(
        topic=name,
        partition=partition_of(name),
        data=payload,
        tags=dict(tags) if tags else None,
        idempotency_key=idempotency_key,
        created_at=timezone.now(),
    )
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql" and not bell.is_heard:
        # Delivered by the commit. Not where a relay is at hand: all of them would wake up for a row
        # that this one has published by then.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    transaction.on_commit(bell.ring, using=DEFAULT_DB_ALIAS)


def _rows() -> "type[OutboxRow]":
    # Not imported: features import this module from their AppConfig, before there are models.
    return apps.get_model("realtime", "OutboxRow")
