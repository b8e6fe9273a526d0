"""What the database itself refuses, whoever writes to it."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from realtime.features.chat.models import Message, Room


def test_no_two_rooms_have_names_that_differ_in_case_only(lobby: Room) -> None:
    with pytest.raises(IntegrityError):
        Room.objects.create(slug="lobby-2", name="LOBBY")


def test_a_message_has_text(alice: User, lobby: Room) -> None:
    with pytest.raises(IntegrityError):
        Message.objects.create(room=lobby, author=alice, text="", client_id=uuid4())


def test_a_client_id_is_stored_once_per_author(alice: User, lobby: Room) -> None:
    client_id = uuid4()
    Message.objects.create(room=lobby, author=alice, text="one", client_id=client_id)

    with pytest.raises(IntegrityError):
        Message.objects.create(room=lobby, author=alice, text="two", client_id=client_id)


def test_a_room_outlives_the_account_that_created_it(alice: User) -> None:
    room = Room.objects.create(slug="tea", name="Tea", created_by=alice)

    alice.delete()

    room.refresh_from_db()
    assert room.created_by is None


def test_a_long_message_is_shown_short() -> None:
    assert str(Message(text="x" * 100)) == "x" * 59 + "…"
    assert str(Message(text="short")) == "short"
