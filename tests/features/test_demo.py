"""`manage.py demo`: accounts that work, rooms with something in them, twice the same as once."""

from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from realtime.features.chat.models import Message, Room

pytestmark = pytest.mark.django_db


def run_demo(*arguments: str) -> str:
    output = StringIO()
    call_command("demo", "--force", *arguments, stdout=output)
    return output.getvalue()


def test_the_printed_passwords_sign_in() -> None:
    output = run_demo()

    accounts = [line.split()[:2] for line in output.splitlines() if "-demo" in line]
    assert [username for username, _ in accounts] == ["alice", "bob", "carol", "admin"]
    for username, password in accounts:
        assert authenticate(username=username, password=password) is not None


def test_only_admin_is_an_admin() -> None:
    run_demo()

    assert [user.username for user in User.objects.filter(is_superuser=True)] == ["admin"]
    assert [user.username for user in User.objects.filter(is_staff=True)] == ["admin"]


def test_the_rooms_have_messages() -> None:
    run_demo()

    assert set(Room.objects.values_list("slug", flat=True)) == {"lobby", "random", "help"}
    assert all(room.messages.exists() for room in Room.objects.all())


def test_running_it_again_adds_nothing() -> None:
    first = run_demo()
    counts = (User.objects.count(), Room.objects.count(), Message.objects.count())

    assert run_demo("--migrate") == first
    assert (User.objects.count(), Room.objects.count(), Message.objects.count()) == counts


def test_a_password_that_was_changed_is_neither_shown_nor_set_back() -> None:
    run_demo()
    alice = User.objects.get(username="alice")
    alice.set_password("something else")
    alice.save()

    output = run_demo()

    assert "alice-demo" not in output
    assert authenticate(username="alice", password="something else") is not None


def test_it_refuses_where_debug_is_off() -> None:
    with pytest.raises(CommandError, match=r"DEBUG is off.*--force"):
        call_command("demo")
    assert not User.objects.exists()
