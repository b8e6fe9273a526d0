"""Rooms and messages over HTTP, for every role."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from realtime.features.chat import services
from realtime.features.chat.models import Message, Room
from tests.accounts import SIGNED_IN
from tests.api.answers import error_code

MESSAGES = "/api/chat/rooms/lobby/messages"


def send(browser: Client, text: object = "Hello", client_id: object = None, path: str = MESSAGES) -> Any:
    body = {"text": text, "client_id": str(client_id or uuid4())}
    return browser.post(path, body, content_type="application/json")


ACTIONS: dict[str, Callable[[Client], Any]] = {
    "list rooms": lambda browser: browser.get("/api/chat/rooms"),
    "create a room": lambda browser: browser.post(
        "/api/chat/rooms", {"name": "Tea"}, content_type="application/json"
    ),
    "list messages": lambda browser: browser.get(MESSAGES),
    "send a message": send,
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("browser", ["anonymous"], indirect=True)
def test_strangers_may_do_nothing(browser: Client, lobby: Room, action: str) -> None:
    assert error_code(ACTIONS[action](browser), status=401) == "not_signed_in"
    assert not Message.objects.exists()
    assert Room.objects.count() == 1


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("browser", SIGNED_IN, indirect=True)
def test_signed_in_people_may_do_everything(browser: Client, lobby: Room, action: str) -> None:
    assert ACTIONS[action](browser).status_code in {200, 201}


def test_a_session_ends_when_the_account_is_deactivated(browser: Client, member: User, lobby: Room) -> None:
    User.objects.filter(pk=member.pk).update(is_active=False)

    assert error_code(send(browser), status=401) == "not_signed_in"


def test_a_sent_message_is_answered_in_full(browser: Client, member: User, lobby: Room) -> None:
    client_id = uuid4()

    answer = send(browser, " Hello ", client_id)

    assert answer.status_code == 201
    message = answer.json()
    sent_at = datetime.fromisoformat(message.pop("sent_at"))
    assert sent_at.utcoffset() == timedelta(0)
    assert message == {
        "id": Message.objects.get().pk,
        "room": "lobby",
        "text": "Hello",
        "client_id": str(client_id),
        "author": {"id": member.pk, "username": "alice", "name": "Alice"},
    }


def test_a_message_is_published_as_it_is_answered(
    browser: Client, lobby: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = []
    monkeypatch.setattr(services, "publish_on_commit", lambda _, data: published.append(data))

    answer = send(browser)

    assert published == [{"type": "message", "message": answer.json()}]


def test_sending_again_answers_200_with_the_same_message(browser: Client, lobby: Room) -> None:
    client_id = uuid4()

    first, second = (send(browser, "Hello", client_id) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Message.objects.count() == 1


def test_a_client_id_of_another_rooms_message_is_a_conflict(browser: Client, lobby: Room) -> None:
    Room.objects.create(slug="other", name="Other")
    client_id = uuid4()
    send(browser, "Hello", client_id)

    answer = send(browser, "Hello", client_id, path="/api/chat/rooms/other/messages")

    assert error_code(answer, status=409) == "client_id_reused"


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "a\0b"])
def test_text_out_of_bounds_is_refused(browser: Client, lobby: Room, text: str) -> None:
    assert error_code(send(browser, text), status=400) == "invalid_text"


def test_the_longest_text_in_the_longest_encoding_is_taken(browser: Client, lobby: Room) -> None:
    # Each of these is twelve bytes in JSON that is kept to ASCII, as Python's is.
    assert send(browser, "👋" * 4000).status_code == 201


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "null", '"text"', "", '{"text": "half \\ud83d"}', '{"text": NaN}', "{}", '{"text": 5}'],
)
def test_a_malformed_body_is_refused(browser: Client, lobby: Room, body: str) -> None:
    answer = browser.post(MESSAGES, body, content_type="application/json")

    assert error_code(answer, status=400) in {"bad_request", "invalid_request"}


def test_a_bad_field_is_named(browser: Client, lobby: Room) -> None:
    answer = browser.post(
        MESSAGES, {"text": "Hello", "client_id": "not-a-uuid"}, content_type="application/json"
    )

    assert error_code(answer, status=400) == "invalid_request"
    assert "client_id: " in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "\u202eevil", "'; --"],
)
def test_hostile_text_passes_as_inert_data(browser: Client, lobby: Room, text: str) -> None:
    send(browser, text)

    page = browser.get(MESSAGES)
    rooms = browser.get("/api/chat/rooms")

    assert page.headers["Content-Type"].startswith("application/json")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.json()["messages"][0]["text"] == text
    assert rooms.json()["rooms"][0]["last_message"]["text"] == text


@pytest.mark.parametrize("path", ["/api/chat/rooms/nowhere/messages", "/api/chat/rooms/%00/messages"])
def test_a_room_that_does_not_exist_is_not_found(browser: Client, path: str) -> None:
    assert error_code(browser.get(path), status=404) == "room_not_found"
    assert error_code(send(browser, path=path), status=404) == "room_not_found"


@pytest.fixture
def ids(member: User, lobby: Room) -> list[int]:
    """Five messages in the lobby."""
    return [
        Message.objects.create(room=lobby, author=member, text=f"{number}", client_id=uuid4()).pk
        for number in range(5)
    ]


@pytest.mark.parametrize(
    ("query", "expected", "has_more"),
    [
        ("", slice(0, 5), False),
        ("limit=2", slice(3, 5), True),
        ("limit=2&before={3}", slice(1, 3), True),
        ("limit=3&before={3}", slice(0, 3), False),
        ("limit=2&after={1}", slice(2, 4), True),
        ("after={4}", slice(5, 5), False),
        ("before=0", slice(0, 0), False),
        ("after=0&limit=1", slice(0, 1), True),
        (f"before={2**63 - 1}", slice(0, 5), False),
    ],
)
def test_pages_are_windows_oldest_first(
    browser: Client, ids: list[int], query: str, expected: slice, has_more: bool
) -> None:
    page = browser.get(f"{MESSAGES}?{query.format(*ids)}").json()

    assert [message["id"] for message in page["messages"]] == ids[expected]
    assert page["has_more"] is has_more


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "before=-1", f"after={2**63}", "before=5&after=1", "before=1.5"],
)
def test_a_window_that_makes_no_sense_is_refused(browser: Client, lobby: Room, query: str) -> None:
    assert error_code(browser.get(f"{MESSAGES}?{query}"), status=400) == "invalid_request"


def test_a_created_room_is_answered_and_listed(browser: Client, lobby: Room) -> None:
    answer = browser.post(
        "/api/chat/rooms",
        {"name": "Tea & cake", "description": "At four"},
        content_type="application/json",
    )

    assert answer.status_code == 201
    assert answer.json() == {
        "slug": "tea-cake",
        "name": "Tea & cake",
        "description": "At four",
        "topic": "chat:tea-cake",
        "typing_topic": "typing:tea-cake",
        "last_message": None,
    }
    rooms = browser.get("/api/chat/rooms").json()["rooms"]
    assert [room["slug"] for room in rooms] == ["lobby", "tea-cake"]


def test_a_room_that_exists_is_a_conflict(browser: Client, lobby: Room) -> None:
    answer = browser.post("/api/chat/rooms", {"name": "lobby"}, content_type="application/json")

    assert error_code(answer, status=409) == "room_exists"


@pytest.mark.parametrize(
    "room", [{"name": ""}, {"name": "x" * 61}, {"name": "Tea", "description": "x" * 201}]
)
def test_a_room_without_a_proper_name_is_refused(browser: Client, db: None, room: dict[str, str]) -> None:
    answer = browser.post("/api/chat/rooms", room, content_type="application/json")

    assert error_code(answer, status=400) == "invalid_text"


def test_client_ids_are_uuids_in_any_spelling(browser: Client, lobby: Room) -> None:
    client_id = UUID("6f1f7b9e-3a3c-4c8e-9d0a-0d8f5f2b7c11")

    assert send(browser, "Hello", client_id).status_code == 201
    assert send(browser, "Hello", client_id.hex.upper()).status_code == 200
