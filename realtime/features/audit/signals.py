"""What the audit log hears by itself: sign-ins, and what is done in Django's admin."""

import json
from typing import Any

from django.apps import apps
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q
from django.db.models.signals import post_save
from django.dispatch import Signal

from realtime.features.audit.log import STRANGER, Actor, Deed, record
from realtime.features.audit.models import Outcome

_ADMIN_ACTIONS = {ADDITION: "admin.add", CHANGE: "admin.change", DELETION: "admin.delete"}


def listen() -> None:
    """Called once, by apps.py."""
    user_logged_in.connect(_on_login, dispatch_uid="audit")
    user_logged_out.connect(_on_logout, dispatch_uid="audit")
    user_login_failed.connect(_on_login_failed, dispatch_uid="audit")
    post_save.connect(_on_admin, sender=LogEntry, dispatch_uid="audit")
    if apps.is_installed("allauth.account"):
        from realtime.features.audit import allauth_signals  # noqa: PLC0415  # Only here may its models be imported.

        allauth_signals.listen()


def record_by_user(signal: Signal, action: str) -> None:
    """For signals that carry a `user` who did what they say."""

    def hear(sender: Any, user: AbstractBaseUser, **_: Any) -> None:
        record(Deed(action=action, actor=Actor.user(user), target=f"user:{user.pk}"))

    signal.connect(hear, weak=False, dispatch_uid=f"audit {action}")


def _on_login(sender: Any, user: AbstractBaseUser, **_: Any) -> None:
    record(Deed(action="session.login", actor=Actor.user(user)))


def _on_logout(sender: Any, user: AbstractBaseUser | None, **_: Any) -> None:
    if user is not None:
        record(Deed(action="session.logout", actor=Actor.user(user)))


def _on_login_failed(sender: Any, credentials: dict[str, Any], **_: Any) -> None:
    # People type their password into the wrong field: only what is an account's name is kept.
    name = f"{credentials.get('username') or credentials.get('email') or ''}".replace("\0", "")
    named = Q(email__iexact=name) if "@" in name else Q(username=name)
    key = User.objects.filter(named).values_list("pk", flat=True).first()
    target = "" if key is None else f"user:{key}"
    record(Deed(action="session.login_failed", actor=STRANGER, target=target, outcome=Outcome.DENIED))


def _on_admin(sender: Any, instance: LogEntry, *, created: bool, raw: bool, **_: Any) -> None:
    # Fixtures bring the past with them.
    if raw or not created:
        return
    content_type = instance.content_type
    model = "" if content_type is None else f"{content_type.app_label}.{content_type.model}"
    record(
        Deed(
            action=_ADMIN_ACTIONS.get(instance.action_flag, "admin.other"),
            actor=Actor.user(instance.user),
            target=f"{model}:{instance.object_id or ''}",
            # The names of fields that changed, and none of their values.
            details={"object": instance.object_repr, "changes": _read(instance.change_message)},
        )
    )


def _read(message: str) -> Any:
    try:
        return json.loads(message) if message else []
    except ValueError:
        return message
