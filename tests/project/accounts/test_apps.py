"""Apps: the headless endpoints, whose session token opens the rest of the API, too."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from realtime.features.chat.models import Room
from tests.accounts import PASSWORD, checking_browser, make_user
from tests.api.answers import error_code
from tests.project.accounts.visits import add_totp, sign_in, totp

AUTH = "/_allauth/app/v1/auth"


def post(app: Client, path: str, body: dict[str, Any], token: str = "") -> Any:
    headers = {"X-Session-Token": token} if token else {}
    return app.post(path, body, content_type="application/json", headers=headers)


@pytest.fixture
def app() -> Client:
    """No browser: it sends no cookie and knows no CSRF token, and the server checks for one."""
    return checking_browser()


def enter(app: Client, username: str = "alice") -> str:
    answer = post(app, f"{AUTH}/login", {"username": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    # What it goes by is the token alone.
    app.cookies.clear()
    token: str = answer.json()["meta"]["session_token"]
    return token


def test_app_signs_in_and_gets_a_connection_token(app: Client, alice: User) -> None:
    token = enter(app)

    person = app.get("/api/session", headers={"X-Session-Token": token}).json()["user"]
    answer = post(app, "/api/connection-token", {}, token)

    assert person["username"] == "alice"
    assert answer.status_code == 200
    assert answer.json()["token"].count(".") == 2
    assert "sessionid" not in answer.cookies


def test_app_writes_in_a_room(app: Client, alice: User) -> None:
    Room.objects.create(slug="lobby", name="Lobby")
    message = {"text": "From the app", "client_id": "0b2c3f7e-4c1c-4b6e-9f0e-6d5f6a1b2c3d"}

    answer = post(app, "/api/chat/rooms/lobby/messages", message, enter(app))

    assert answer.status_code == 201, answer.content


def test_app_signs_in_with_a_second_factor(app: Client, alice: User) -> None:
    browser = Client()
    sign_in(browser)
    secret = add_totp(browser)

    answer = post(app, f"{AUTH}/login", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 401
    token = answer.json()["meta"]["session_token"]
    assert error_code(post(app, "/api/connection-token", {}, token), status=401) == "not_signed_in"

    code = {"code": totp(secret, steps_ahead=1)}
    answer = post(app, f"{AUTH}/2fa/authenticate", code, token)

    assert answer.status_code == 200
    token = answer.json()["meta"].get("session_token", token)
    assert post(app, "/api/connection-token", {}, token).status_code == 200


def test_app_that_signed_out_has_no_session(app: Client, alice: User) -> None:
    token = enter(app)

    app.delete(f"{AUTH}/session", headers={"X-Session-Token": token})

    assert error_code(post(app, "/api/connection-token", {}, token), status=401) == "not_signed_in"


def test_signing_out_over_the_api_ends_the_apps_session(app: Client, alice: User) -> None:
    token = enter(app)

    assert app.delete("/api/session", headers={"X-Session-Token": token}).status_code == 204

    assert error_code(post(app, "/api/connection-token", {}, token), status=401) == "not_signed_in"


@pytest.mark.parametrize("token", ["wrong", "x" * 5_000, "' OR 1=1", "\t"])
def test_token_that_is_none_is_nobodys(app: Client, db: None, token: str) -> None:
    answer = app.post("/api/connection-token", headers={"X-Session-Token": token})

    assert error_code(answer, status=401) == "not_signed_in"


def test_cookies_count_for_nothing_beside_a_token(app: Client, alice: User) -> None:
    """Otherwise the header, which needs no CSRF token, would let a page act with its visitor's cookie."""
    app.force_login(make_user("bob"))

    session = app.get("/api/session", headers={"X-Session-Token": "wrong"})

    assert session.json()["user"] is None
    assert app.get("/api/session").json()["user"]["username"] == "bob"


def test_passwords_cannot_be_tried_for_long(app: Client, alice: User) -> None:
    for _ in range(5):
        post(app, f"{AUTH}/login", {"username": "alice", "password": "wrong"})

    answer = post(app, f"{AUTH}/login", {"username": "alice", "password": PASSWORD})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "too_many_login_attempts"
