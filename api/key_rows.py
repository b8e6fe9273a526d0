"""API keys in the database: made, rotated, revoked, read for the table of this process."""

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from api.keys import Key, KeyTable, Scope, Secret, check_namespaces, fixed_key
from api.models import ApiKey
from realtime.runtime import get_runtime

DEFAULT_GRACE_SECONDS = 24 * 3600


class BadKey(ValueError):
    """What was asked for makes no key. The text says what is wrong and what to do."""


def create_key(
    *,
    name: str,
    scopes: Collection[str],
    namespaces: Collection[str],
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, Secret]:
    """Stores a new key; its secret is known now and never again. Raises BadKey."""
    row = ApiKey(name=name.strip(), expires_at=expires_at, created_by=created_by)
    row.scopes, row.namespaces = sorted(set(scopes)), sorted(set(namespaces))
    secret = arm_key(row)
    row.save()
    return row, secret


def arm_key(row: ApiKey) -> Secret:
    """Checks a row that is not stored yet, and gives it a secret. Raises BadKey."""
    if not row.name:
        raise BadKey("The key has no name. Say whose key it is.")
    unknown = sorted(set(row.scopes) - set(Scope))
    if unknown or not row.scopes:
        got = ", ".join(unknown) or "none"
        raise BadKey(f"The scopes are {got}; expected some of {', '.join(Scope)}.")
    try:
        check_namespaces(row.namespaces)
    except ValueError as error:
        raise BadKey(f"{error}.") from None
    if row.expires_at is not None and row.expires_at <= timezone.now():
        raise BadKey("The key would have expired already. Give a later time, or none.")
    secret = Secret.make()
    row.prefix, row.digest = secret.id, secret.digest.hex()
    return secret


def rotate_key(prefix: str, *, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> tuple[ApiKey, Secret]:
    """Gives the key a new secret; the old one is valid for `grace_seconds` more. Raises BadKey."""
    if not 0 <= grace_seconds <= 366 * 24 * 3600:
        raise BadKey(f"The time of grace is {grace_seconds:g} s, expected 0 to a year.")
    with transaction.atomic():
        row = _row(prefix)
        if row.is_revoked:
            raise BadKey(f"The key {prefix} is revoked. Make a new one.")
        secret = Secret.make(row.prefix)
        row.previous_digest = row.digest
        row.previous_ends_at = timezone.now() + timedelta(seconds=grace_seconds)
        row.digest = secret.digest.hex()
        row.save(update_fields=["digest", "previous_digest", "previous_ends_at"])
    return row, secret


def revoke_key(prefix: str) -> ApiKey:
    """Ends the key, with all its secrets: here at once, in other processes within seconds. Raises BadKey."""
    with transaction.atomic():
        row = _row(prefix)
        if not row.is_revoked:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
    return row


def _row(prefix: str) -> ApiKey:
    row = ApiKey.objects.select_for_update().filter(prefix=prefix).first()
    if row is None:
        raise BadKey(f"There is no key {prefix!r}. `manage.py apikey list` shows those that there are.")
    return row


# ── The table of this process ─────────────────────────────────────────────────────────────────


def load_keys() -> list[Key]:
    """Those that may open anything: neither revoked nor expired."""
    rows = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None
    ).order_by()
    return [_key(row) for row in rows]


def _key(row: ApiKey) -> Key:
    digests: list[tuple[bytes, float | None]] = [(bytes.fromhex(row.digest), None)]
    if row.previous_digest and row.previous_ends_at is not None:
        digests.append((bytes.fromhex(row.previous_digest), row.previous_ends_at.timestamp()))
    return Key(
        id=row.prefix,
        name=row.name,
        scopes=frozenset(row.scopes),
        namespaces=frozenset(row.namespaces),
        digests=tuple(digests),
        expires_at=None if row.expires_at is None else row.expires_at.timestamp(),
    )


def stamp_key(id_: str, at: float) -> None:
    ApiKey.objects.filter(prefix=id_).update(last_used_at=datetime.fromtimestamp(at, UTC))


def make_table() -> KeyTable:
    runtime = get_runtime()
    # Its threads, not one per request: never more database connections than the sessions may have.
    hooks = runtime.node.hooks
    return KeyTable(
        fixed=[fixed_key(secret, number) for number, secret in enumerate(runtime.settings.api_keys, 1)],
        load=partial(hooks.call, load_keys),
        stamp=partial(hooks.call, stamp_key),
        clock=time.time,
        monotonic=time.monotonic,
    )


_table: KeyTable | None = None


def key_table() -> KeyTable:
    """This process' table, made at the first call."""
    global _table  # noqa: PLW0603  # As with the runtime, there is one in a process.
    if _table is None:
        _table = make_table()
    return _table


def _forget_known_keys(**_signal: Any) -> None:
    transaction.on_commit(_forget)


def _forget() -> None:
    if _table is not None:
        _table.forget()


def watch_rows() -> None:
    """Has changes in this process count at once. Called when Django is ready."""
    post_save.connect(_forget_known_keys, sender=ApiKey, dispatch_uid="api-keys-saved")
    post_delete.connect(_forget_known_keys, sender=ApiKey, dispatch_uid="api-keys-deleted")
