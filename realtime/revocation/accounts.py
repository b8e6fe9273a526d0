"""What Django's own permissions hang on: an account's groups, permissions and flags."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from realtime.revocation.dependency import Dependency, both_names
from realtime.revocation.relations import watch_relation
from realtime.revocation.rows import watch_rows

_FLAGS = ("is_active", "is_staff", "is_superuser")


def install() -> None:
    """Called once, when all apps are there; django.contrib.auth must be one of them."""
    account: Any = get_user_model()
    flags = [field.name for field in account._meta.get_fields() if field.name in _FLAGS]
    of_itself = Dependency(users=lambda row: [row.pk], fields=both_names(account, flags), counts_new=False)
    if flags:
        watch_rows(account, of_itself)
    for name in ("groups", "user_permissions"):
        field = getattr(account, name, None)
        if field is not None:
            key = field.through._meta.get_field(field.field.m2m_field_name()).attname
            of_user = Dependency(users=lambda row, key=key: [getattr(row, key)])  # type: ignore[misc]  # Of any model.
            # An account that is deleted has no connections any more (realtime/login_ends.py).
            watch_relation(field.through, of_user, ends=(Group, Permission))
    if hasattr(account, "groups"):
        accounts = account._base_manager  # Whatever the project's own manager hides.
        of_members = Dependency(
            users=lambda row: accounts.filter(groups=row.group_id).values_list("pk", flat=True).iterator()
        )
        watch_relation(Group.permissions.through, of_members)
