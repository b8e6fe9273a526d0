"""What an account may do changes in many ways; each has the account's rules asked again."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User

from realtime.orders import RuleChange
from tests.accounts import make_user
from tests.realtime.revocation.conftest import SentChanges

pytestmark = pytest.mark.django_db(transaction=True)


class People:
    """Ann is in a group, which has a permission; ben has that permission himself; eve has nothing."""

    def __init__(self) -> None:
        self.ann, self.ben, self.eve = make_user("ann"), make_user("ben"), make_user("eve")
        self.group = Group.objects.create(name="staff of the test")
        self.permission = Permission.objects.all()[0]
        self.group.permissions.add(self.permission)
        self.ann.groups.add(self.group)
        self.ben.user_permissions.add(self.permission)

    def change(self, user: User, **values: bool) -> None:
        for name, value in values.items():
            setattr(user, name, value)
        user.save()


CHANGES: dict[str, tuple[Callable[[People], object], str]] = {
    "removed from a group": (lambda people: people.ann.groups.remove(people.group), "ann"),
    "put into a group": (lambda people: people.ben.groups.add(people.group), "ben"),
    "put into a group from its side": (
        lambda people: people.group.user_set.add(people.ben, people.eve),
        "ben eve",
    ),
    "removed from all groups": (lambda people: people.ann.groups.clear(), "ann"),
    "a group without anybody": (lambda people: people.group.user_set.clear(), "ann"),
    "other groups": (lambda people: people.ann.groups.set([]), "ann"),
    "a group that is deleted": (lambda people: people.group.delete(), "ann"),
    "groups deleted by a query": (lambda people: Group.objects.all().delete(), "ann"),
    "a permission taken": (lambda people: people.ben.user_permissions.remove(people.permission), "ben"),
    "all permissions taken": (lambda people: people.ben.user_permissions.clear(), "ben"),
    "a permission given": (lambda people: people.eve.user_permissions.add(people.permission), "eve"),
    "a permission taken from a group": (
        lambda people: people.group.permissions.remove(people.permission),
        "ann",
    ),
    "all permissions taken from a group": (lambda people: people.group.permissions.clear(), "ann"),
    "a group taken from a permission": (lambda people: people.permission.group_set.clear(), "ann"),
    "a permission that is deleted": (lambda people: people.permission.delete(), "ann ben"),
    "deactivated": (lambda people: people.change(people.ann, is_active=False), "ann"),
    "made a superuser": (lambda people: people.change(people.eve, is_superuser=True), "eve"),
    "made staff": (lambda people: people.change(people.eve, is_staff=True), "eve"),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_told_for_those_whom_it_concerns(
    case: tuple[Callable[[People], object], str], sent: SentChanges
) -> None:
    change, names = case
    people = People()
    sent.forget()

    change(people)

    assert set(sent) == {
        RuleChange(user=str(user.pk)) for user in User.objects.filter(username__in=names.split())
    }


def test_what_says_nothing_about_rights_is_not_told(sent: SentChanges) -> None:
    people = People()
    sent.forget()

    make_user("new")
    people.ann.first_name = "Ann"
    people.ann.save()
    people.ann.save(update_fields=["last_login"])
    people.ann.groups.add(people.group)

    assert sent == []
