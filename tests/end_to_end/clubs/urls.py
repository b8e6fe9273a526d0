"""Views that change rows, as a project's own code does. Each answers when the change is committed."""

from collections.abc import Callable

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from realtime.revocation import recheck
from realtime.runtime import get_runtime
from tests.end_to_end.clubs.models import Club, Membership


def join(user: User, key: str) -> None:
    Membership.objects.create(club=Club.objects.get_or_create(slug=key)[0], user=user)


def leave(user: User, key: str) -> None:
    Membership.objects.get(club__slug=key, user=user).delete()


def move(user: User, key: str) -> None:
    row = Membership.objects.get(user=user)
    row.club = Club.objects.get_or_create(slug=key)[0]
    row.save()


def leave_and_roll_back(user: User, key: str) -> None:
    with transaction.atomic():
        leave(user, key)
        transaction.set_rollback(True)


def close_club(user: User, key: str) -> None:
    Club.objects.get(slug=key).delete()


def fill_club(user: User, key: str) -> None:
    """10,000 memberships, all of other people."""
    club = Club.objects.get_or_create(slug=key)[0]
    crowd = [User(username=f"{key}-{number}") for number in range(100)]
    members = User.objects.bulk_create(crowd)
    Membership.objects.bulk_create(
        [Membership(club=club, user=member) for member in members for _ in range(100)], batch_size=1000
    )


def empty_club(user: User, key: str) -> None:
    Membership.objects.filter(club__slug=key).delete()


def leave_unnoticed(user: User, key: str) -> None:
    """As SQL does: without a signal."""
    Membership.objects.filter(club__slug=key, user=user)._raw_delete("default")


def leave_by_sql_and_say_so(user: User, key: str) -> None:
    with transaction.atomic():
        leave_unnoticed(user, key)
        recheck(users=[user.pk], topics=[f"club:{key}"])


def permit(user: User, key: str) -> None:
    user.user_permissions.add(Permission.objects.get(codename=key))


def forbid(user: User, key: str) -> None:
    user.user_permissions.remove(Permission.objects.get(codename=key))


def permit_by_group(user: User, key: str) -> None:
    group = Group.objects.create(name=f"{key} of {user.pk}")
    group.permissions.add(Permission.objects.get(codename=key))
    user.groups.add(group)


def forbid_group(user: User, key: str) -> None:
    Group.objects.get(name=f"{key} of {user.pk}").permissions.clear()


def enter_group(user: User, key: str) -> None:
    user.groups.add(Group.objects.get_or_create(name=key)[0])


def leave_group(user: User, key: str) -> None:
    user.groups.remove(Group.objects.get(name=key))


def delete_group(user: User, key: str) -> None:
    Group.objects.get(name=key).delete()


def raise_flag(user: User, key: str) -> None:
    setattr(user, key, True)
    user.save()


def lower_flag(user: User, key: str) -> None:
    setattr(user, key, False)
    user.save()


CHANGES: dict[str, Callable[[User, str], None]] = {
    change.__name__: change
    for change in (
        join, leave, move, leave_and_roll_back, close_club, fill_club, empty_club, leave_unnoticed,
        leave_by_sql_and_say_so, permit, forbid, permit_by_group, forbid_group, enter_group, leave_group,
        delete_group, raise_flag, lower_flag,
    )
}  # fmt: skip


def make_user(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": str(User.objects.create(username=request.GET["name"]).pk)})


def change(request: HttpRequest, name: str) -> HttpResponse:
    CHANGES[name](User.objects.get(pk=request.GET["user"]), request.GET["key"])
    return HttpResponse(status=204)


async def recheck_all(request: HttpRequest) -> HttpResponse:
    await get_runtime().control.recheck()
    return HttpResponse(status=204)


urlpatterns = [
    path("clubs/user", make_user),
    path("clubs/recheck", recheck_all),
    path("clubs/<name>", change),
    path("", include("tests.end_to_end.probe_urls")),
]
