"""Writes into the audit log what becomes of API keys, however it is done: in the admin or by command."""

from typing import Any

from django.db.models.signals import post_delete, post_save

from api.models import ApiKey
from realtime.features.audit.log import Deed, current_actor, record


def audit_rows() -> None:
    """Called when Django is ready."""
    post_save.connect(_on_saved, sender=ApiKey, dispatch_uid="api-keys-audit-saved")
    post_delete.connect(_on_deleted, sender=ApiKey, dispatch_uid="api-keys-audit-deleted")


def _on_saved(
    sender: Any, instance: ApiKey, *, created: bool, raw: bool, update_fields: Any = None, **_: Any
) -> None:
    # Fixtures bring the past with them.
    if raw:
        return
    fields = frozenset(update_fields or ())
    if created:
        _record("key.created", instance)
    elif "revoked_at" in fields:
        _record("key.revoked", instance)
    elif "digest" in fields:
        _record("key.rotated", instance)
    else:
        _record("key.changed", instance)


def _on_deleted(sender: Any, instance: ApiKey, **_: Any) -> None:
    _record("key.deleted", instance)


def _record(action: str, key: ApiKey) -> None:
    details = {"name": key.name, "scopes": key.scopes, "namespaces": key.namespaces}
    record(Deed(action=action, actor=current_actor(), target=f"key:{key.prefix}", details=details))
