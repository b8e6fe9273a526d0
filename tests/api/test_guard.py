"""What stands before every endpoint: CSRF, the size limit, and one shape for what is refused."""

import uuid
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.test import Client
from django.urls import URLPattern

from api.urls import api_urls
from project.settings import base
from realtime.errors import LayerUnavailable
from realtime.features.chat import services
from realtime.features.chat.models import Message, Room
from tests.accounts import browser_of, checking_browser
from tests.api.answers import error_code

pytestmark = pytest.mark.django_db

MAX_BODY_BYTES = base.DATA_UPLOAD_MAX_MEMORY_SIZE
CSRF = b"0123456789abcdefghijklmnopqrstuv"


def test_no_endpoint_is_exempt_from_the_csrf_check() -> None:
    exempt = [
        pattern.name
        for pattern in api_urls[0]
        if isinstance(pattern, URLPattern) and getattr(pattern.callback, "csrf_exempt", False)
    ]

    # These only show pages; the server API takes no cookies for an answer.
    pages = {"openapi-json", "openapi-view", "api-root"}
    assert {name for name in exempt if not f"{name}".startswith("server-")} <= pages


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/session"),
        ("DELETE", "/api/session"),
        ("POST", "/api/connection-token"),
        ("POST", "/api/chat/rooms"),
        ("POST", "/api/chat/rooms/lobby/messages"),
    ],
)
def test_another_sites_page_changes_nothing(member: User, lobby: Room, method: str, path: str) -> None:
    browser = checking_browser()
    browser.force_login(member)

    # What a form on another site can send: cookies, but no header of its own.
    answer = browser.generic(method, path, b'{"name": "Tea"}', content_type="text/plain")

    assert error_code(answer, status=403) == "csrf_failed"
    assert Room.objects.count() == 1


def test_a_body_over_64_kib_is_refused(browser: Client, lobby: Room) -> None:
    body = b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}'

    answer = browser.post("/api/chat/rooms/lobby/messages", body, content_type="application/json")

    assert error_code(answer, status=413) == "too_large"
    assert not Message.objects.exists()


async def test_a_body_that_hides_its_length_is_refused_too(db: None) -> None:
    # As with chunked encoding: no Content-Length, and the size shows only in the end.
    server = ApplicationCommunicator(
        get_asgi_application(),
        {
            "type": "http",
            "method": "POST",
            "path": "/api/session",
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"x-csrftoken", CSRF), (b"cookie", b"csrftoken=" + CSRF)],
        },
    )

    for is_last in (False, True):
        await server.send_input(
            {"type": "http.request", "body": b" " * (MAX_BODY_BYTES // 2 + 1), "more_body": not is_last}
        )

    assert (await server.receive_output(timeout=10))["status"] == 413
    assert b"too_large" in (await server.receive_output(timeout=10))["body"]
    await server.wait(timeout=10)


@pytest.mark.parametrize("path", ["/api/nothing", "/api/chat/rooms/a/b", "/api/"])
def test_what_is_not_there_is_not_found_in_json(browser: Client, path: str) -> None:
    assert error_code(browser.get(path), status=404) == "not_found"


def test_pages_outside_of_the_api_are_not_found_as_pages(browser: Client) -> None:
    answer = browser.get("/nothing")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_offered_is_named_with_those_that_are(browser: Client) -> None:
    answer = browser.put("/api/chat/rooms", {}, content_type="application/json")

    assert error_code(answer, status=405) == "method_not_allowed"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}


def test_a_crash_is_logged_and_answered_without_its_details(
    browser: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash() -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(services, "list_rooms", crash)

    answer = browser.get("/api/chat/rooms")

    assert error_code(answer, status=500) == "internal_error"
    assert b"hunter2" not in answer.content
    assert "RuntimeError" in caplog.text


def test_the_api_describes_itself_without_other_sites(member: User) -> None:
    browser = browser_of(member)

    paths = browser.get("/api/openapi.json").json()["paths"]
    docs = browser.get("/api/docs").text

    assert "/api/chat/rooms/{slug}/messages" in paths
    assert "https://" not in docs.replace("https://github.com", "")
    assert "/static/ninja/" in docs


def test_topics_that_are_away_are_told_with_the_time_to_come_back(
    browser: Client, lobby: Room, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(**_message: object) -> None:
        raise LayerUnavailable("redis://:secret@host is away")

    monkeypatch.setattr(services, "send_message", fail)

    answer = browser.post(
        "/api/chat/rooms/lobby/messages",
        {"text": "Hello", "client_id": str(uuid.uuid4())},
        content_type="application/json",
    )

    assert error_code(answer, status=503) == "topics_away"
    assert answer.headers["Retry-After"] == "2"
    assert b"secret" not in answer.content
    assert capfd.readouterr().err == ""
