"""What ends up in the audit log without anybody writing it there: sign-ins and Django's admin."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from realtime.features.audit.models import Entry
from realtime.features.chat.models import Room
from tests.accounts import PASSWORD, browser_of, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return make_user("admin", is_admin=True)


def entries(action: str) -> list[Entry]:
    return list(Entry.objects.filter(action=action).order_by("id"))


def sign_in(username: str, password: str) -> Any:
    browser = Client(REMOTE_ADDR="203.0.113.7")
    credentials = {"username": username, "password": password}
    return browser, browser.post("/api/session", credentials, content_type="application/json")


def test_signing_in_and_out_is_written_down_with_the_address() -> None:
    alice = make_user("alice")

    browser, _answer = sign_in("alice", PASSWORD)
    browser.delete("/api/session")

    for action in ("session.login", "session.logout"):
        [entry] = entries(action)
        assert (entry.actor_name, entry.actor_id, entry.ip) == ("alice", f"{alice.pk}", "203.0.113.7")


def test_a_wrong_password_is_written_down_without_it() -> None:
    alice = make_user("alice")

    sign_in("alice", "hunter2-wrong")
    sign_in("hunter2-typed-into-the-wrong-field", "x")

    known, unknown = entries("session.login_failed")
    assert (known.actor_kind, known.target, known.outcome) == ("stranger", f"user:{alice.pk}", "denied")
    assert known.ip == "203.0.113.7"
    assert unknown.target == ""
    assert not [entry for entry in Entry.objects.values() if "hunter2" in repr(entry)]


def test_what_is_done_in_the_admin_is_written_down(admin: User) -> None:
    browser = browser_of(admin)
    new = {"name": "Help", "slug": "help", "description": ""}

    browser.post(reverse("admin:chat_room_add"), new)
    room = Room.objects.get(slug="help")
    browser.post(reverse("admin:chat_room_change", args=[room.pk]), {**new, "description": "Ask!"})
    browser.post(reverse("admin:chat_room_delete", args=[room.pk]), {"post": "yes"})

    [added], [changed], [deleted] = entries("admin.add"), entries("admin.change"), entries("admin.delete")
    for entry in (added, changed, deleted):
        assert (entry.actor_name, entry.target, entry.ip) == ("admin", f"chat.room:{room.pk}", "127.0.0.1")
        assert entry.details["object"] == "Help"
    assert changed.details["changes"] == [{"changed": {"fields": ["Description"]}}]


@pytest.mark.parametrize("count", [1, 3])
def test_each_row_that_is_deleted_at_once_is_written_down_once(admin: User, count: int) -> None:
    rooms = [Room.objects.create(slug=f"room-{n}", name=f"Room {n}") for n in range(count)]
    choice = {"action": "delete_selected", "_selected_action": [room.pk for room in rooms]}
    browser = browser_of(admin)

    browser.post(reverse("admin:chat_room_changelist"), choice)
    assert entries("admin.delete") == []
    browser.post(reverse("admin:chat_room_changelist"), {**choice, "post": "yes"})

    assert not Room.objects.exists()
    deleted = entries("admin.delete")
    assert sorted(entry.target for entry in deleted) == sorted(f"chat.room:{room.pk}" for room in rooms)
    assert {entry.actor_name for entry in deleted} == {"admin"}


def test_who_may_not_delete_deletes_nothing_and_nothing_is_written_down() -> None:
    clerk = make_user("clerk")
    User.objects.filter(pk=clerk.pk).update(is_staff=True)
    room = Room.objects.create(slug="help", name="Help")
    choice = {"action": "delete_selected", "_selected_action": [room.pk], "post": "yes"}

    browser_of(clerk).post(reverse("admin:chat_room_changelist"), choice)

    assert Room.objects.exists()
    assert entries("admin.delete") == []
