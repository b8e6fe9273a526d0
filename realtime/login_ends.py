"""Ends connections when what they hang on ends in the database: a session, a password, an account.

It listens to Django's signals, wherever in the project rows are changed: in a view, the admin, a
command, a task. What changes rows past the models (`QuerySet.update`, SQL) sends no signals; each
connection looks its login up again every REALTIME["LOGIN_CHECK_INTERVAL"] seconds for that.
"""

import logging
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import post_delete, post_save, pre_save
from django.utils import timezone

from realtime.conf import load_site_logins
from realtime.errors import PublishUnavailable, RealtimeError
from realtime.login_store import has_logins, login_id
from realtime.orders import DisconnectSessions, EndLogins, Order
from realtime.runtime import get_runtime

logger = logging.getLogger(__name__)

# Where an account's save keeps what it is to end, from before the row is written until after.
_ORDER = "_realtime_order"
_WATCHED = {"password", "is_active"}


def install() -> None:
    """Called once, when all apps are there."""
    if not has_logins():
        return
    model = get_user_model()
    pre_save.connect(_compare_account, sender=model)
    post_save.connect(_end_by_account, sender=model)
    post_delete.connect(_end_account, sender=model)
    store = load_site_logins().store
    # Engines without rows tell nobody; their connections find out at their next check.
    if hasattr(store, "get_model_class"):
        post_delete.connect(_end_login, sender=store.get_model_class())


def _end_login(instance: Any, using: str, **_: Any) -> None:
    """Of a session's row: at logout, when it is revoked, when signing in gives the session a new key."""
    # What clearsessions deletes has ended before; of strangers' sessions nothing hangs.
    if instance.expire_date > timezone.now() and SESSION_KEY in instance.get_decoded():
        _send_on_commit(EndLogins(logins=(login_id(instance.session_key),)), using)


def _compare_account(sender: type[Model], instance: Any, using: str, **options: Any) -> None:
    raw, update_fields = options["raw"], options["update_fields"]
    if raw or instance.pk is None or (update_fields is not None and not _WATCHED & set(update_fields)):
        return
    # Not remembered when an account is loaded, which would cost every request something.
    accounts: Any = QuerySet(sender, using=using)
    before = accounts.filter(pk=instance.pk).first()
    if before is None:
        return
    order: Order | None = None
    if before.is_active and not instance.is_active:
        order = DisconnectSessions(user=str(instance.pk))
    elif before.password != instance.password:
        # Django takes all sessions of the account for ended but the one that changed it, which gets
        # a new key: its connection ends too, and comes back.
        order = EndLogins(user=str(instance.pk))
    setattr(instance, _ORDER, order)


def _end_by_account(instance: Any, using: str, **_: Any) -> None:
    order = instance.__dict__.pop(_ORDER, None)
    if order is not None:
        _send_on_commit(order, using)


def _end_account(instance: Any, using: str, **_: Any) -> None:
    _send_on_commit(DisconnectSessions(user=str(instance.pk)), using)


def _send_on_commit(order: Order, using: str) -> None:
    transaction.on_commit(lambda: _send(order), using=using)


def _send(order: Order) -> None:
    # A logout must not fail for it: what is not ended now is found at the next check.
    try:
        get_runtime().send_order_in_time(order)
    except PublishUnavailable as error:
        logger.info("connections of an ended login are not told: %s", error)
    except (RealtimeError, OSError):
        logger.exception("connections of an ended login are not told; they find out at their next check")
