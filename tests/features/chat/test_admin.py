"""Rooms and messages in the admin: found, read, announced; nobody writes in another's name."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from realtime.features.chat.models import Message, Room
from tests.accounts import browser_of, make_user
from tests.features.chat.conftest import Published


@pytest.fixture
def admin(db: None) -> User:
    return make_user("admin", is_admin=True)


def test_messages_are_found_by_their_text(admin: User, alice: User, lobby: Room) -> None:
    Message.objects.create(room=lobby, author=alice, text="the needle", client_id=uuid4())
    Message.objects.create(room=lobby, author=alice, text="some hay", client_id=uuid4())

    page = browser_of(admin).get(reverse("admin:chat_message_changelist"), {"q": "needle"})

    assert "the needle" in page.text
    assert "some hay" not in page.text


def test_a_message_is_shown_and_its_markup_is_text(admin: User, alice: User, lobby: Room) -> None:
    message = Message.objects.create(
        room=lobby, author=alice, text="<script>alert(1)</script>", client_id=uuid4()
    )

    page = browser_of(admin).get(reverse("admin:chat_message_change", args=[message.pk]))

    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert(1)" not in page.text


def test_messages_are_removed_but_neither_added_nor_rewritten(admin: User, alice: User, lobby: Room) -> None:
    message = Message.objects.create(room=lobby, author=alice, text="Hello", client_id=uuid4())
    browser = browser_of(admin)

    assert browser.get(reverse("admin:chat_message_add")).status_code == 403
    change = browser.post(reverse("admin:chat_message_change", args=[message.pk]), {"text": "changed"})
    assert change.status_code == 403
    browser.post(reverse("admin:chat_message_delete", args=[message.pk]), {"post": "yes"})
    assert not Message.objects.exists()


def test_a_room_made_in_the_admin_is_announced(admin: User, published: Published) -> None:
    browser_of(admin).post(reverse("admin:chat_room_add"), {"name": "Tea", "slug": "tea", "description": ""})

    assert Room.objects.get().created_by == admin
    assert [topic for topic, _ in published] == ["rooms:all"]


def test_a_rooms_slug_never_changes(admin: User, lobby: Room, published: Published) -> None:
    browser_of(admin).post(
        reverse("admin:chat_room_change", args=[lobby.pk]),
        {"name": "Foyer", "slug": "foyer", "description": ""},
    )

    lobby.refresh_from_db()
    assert (lobby.name, lobby.slug) == ("Foyer", "lobby")
    assert published == []


@pytest.mark.parametrize("page", ["chat_room_changelist", "chat_message_changelist"])
def test_members_do_not_enter_the_admin(alice: User, page: str) -> None:
    assert browser_of(alice).get(reverse(f"admin:{page}")).status_code == 302


@pytest.mark.parametrize("page", ["chat_room_changelist", "chat_room_add", "chat_message_changelist"])
def test_admins_see_every_page(admin: User, lobby: Room, page: str) -> None:
    assert browser_of(admin).get(reverse(f"admin:{page}")).status_code == 200
