"""Roles: what the migration makes, and who gets which."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from project.accounts import roles
from tests.accounts import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def migrated() -> None:
    """As after the migration, also where another test has emptied the tables."""
    create_roles()


def create_roles() -> None:
    # A migration hands over the models as they were then, and the editor of its database.
    roles.create(MigrationLoader(connection).project_state().apps, SimpleNamespace(connection=connection))


def test_there_are_four_roles_each_with_its_permissions() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == {
        "admin", "moderator", "member", "device operator",
    }  # fmt: skip
    for name, permissions in roles.ROLES.items():
        found = Permission.objects.filter(group__name=name).select_related("content_type")
        assert {f"{each.content_type.app_label}.{each.codename}" for each in found} >= set(permissions)


def test_new_account_is_a_member_and_no_more() -> None:
    user = make_user("dora")

    assert [group.name for group in user.groups.all()] == ["member"]
    assert user.has_perm("chat.add_message")
    assert not user.has_perm(roles.MODERATE)
    assert not user.has_perm(roles.OPERATE_DEVICES)


def test_operator_may_operate_devices_and_needs_no_other_role() -> None:
    user = make_user("dora")

    user.groups.set([Group.objects.get(name=roles.DEVICE_OPERATOR)])

    assert user.has_perm(roles.OPERATE_DEVICES)
    assert not user.has_perm("chat.delete_message")


def test_making_the_roles_again_changes_nothing() -> None:
    user = make_user("dora")
    user.groups.clear()
    before = {group.name: group.permissions.count() for group in Group.objects.all()}

    create_roles()

    assert {group.name: group.permissions.count() for group in Group.objects.all()} == before
    assert not user.groups.exists()


def test_people_of_before_the_roles_become_members() -> None:
    Group.objects.all().delete()
    user = make_user("dora")
    assert not user.groups.exists()

    create_roles()

    assert [group.name for group in User.objects.get(pk=user.pk).groups.all()] == ["member"]
