"""Roles: Django groups, each with its permissions. Rules ask for the permissions, never for the groups.

They are what a new database starts with, made by a migration. From then on they are rows: who
administers the site changes them in the admin, and no later start changes them back.
"""

from typing import TYPE_CHECKING, Any

from django.apps import apps as site
from django.contrib.auth.management import create_permissions

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ADMIN = "admin"
MODERATOR = "moderator"
MEMBER = "member"
DEVICE_OPERATOR = "device operator"

# Those of project.models.Site, which belong to no row.
MODERATE = "project.moderate"
BROADCAST = "project.broadcast"
OPERATE_DEVICES = "project.operate_devices"

_ROOMS = tuple(f"chat.{action}_room" for action in ("add", "change", "delete", "view"))
_MESSAGES = tuple(f"chat.{action}_message" for action in ("add", "change", "delete", "view"))
_KEYS = tuple(f"api.{action}_apikey" for action in ("add", "change", "delete", "view"))
_PEOPLE = (
    *(f"auth.{action}_user" for action in ("add", "change", "delete", "view")),
    *(f"auth.{action}_group" for action in ("add", "change", "delete", "view")),
    "auth.view_permission",
)

# A permission is written as user.has_perm() takes it. The admin site also asks for "staff status".
ROLES: dict[str, tuple[str, ...]] = {
    ADMIN: (
        *_PEOPLE,
        *_ROOMS,
        *_MESSAGES,
        *_KEYS,
        "audit.view_entry",
        MODERATE,
        BROADCAST,
        OPERATE_DEVICES,
    ),
    MODERATOR: ("auth.view_user", *_ROOMS, *_MESSAGES, MODERATE),
    MEMBER: ("chat.add_room", "chat.view_room", "chat.add_message", "chat.view_message"),
    DEVICE_OPERATOR: (OPERATE_DEVICES,),
}


def welcome(user: "User") -> None:
    """A new account is a member; where somebody removed that role, it is nothing in particular."""
    member = site.get_model("auth", "Group").objects.filter(name=MEMBER).first()
    if member is not None:
        user.groups.add(member)


def create(apps: Any, schema_editor: Any) -> None:
    """For a migration: makes the groups with their permissions, and everybody who is there a member.

    Groups that are there already keep what they have, and gain what they lack.
    """
    using = schema_editor.connection.alias
    # Django makes permissions after the last migration only, so the same is done here first.
    for config in apps.get_app_configs():
        # Those of a migration's state have no module, without which Django takes them for empty.
        config.models_module = True
        create_permissions(config, apps=apps, using=using, verbosity=0)
        config.models_module = None
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    people = apps.get_model("auth", "User").objects.using(using)
    for name, rights in ROLES.items():
        group, is_new = groups.get_or_create(name=name)
        for right in rights:
            app_label, codename = right.split(".")
            group.permissions.add(permissions.get(codename=codename, content_type__app_label=app_label))
        if is_new and name == MEMBER:
            group.user_set.add(*people.all())
