"""The token that opens a WebSocket: for whom, and what it says."""

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from realtime.runtime import get_runtime
from realtime.tokens import LOGIN_CLAIM
from tests.accounts import browser_of
from tests.api.answers import error_code


@pytest.mark.parametrize("role", ["member", "admin"])
def test_the_token_names_the_account_for_an_hour(request: pytest.FixtureRequest, role: str) -> None:
    user: User = request.getfixturevalue(role)

    answer = browser_of(user).post("/api/connection-token")

    claims = jwt.decode(answer.json()["token"], settings.REALTIME["TOKEN_HMAC_SECRET"], algorithms=["HS256"])
    assert claims["sub"] == str(user.pk)
    assert claims["info"] == {"name": user.first_name or user.username}
    assert claims["exp"] - claims["iat"] == 3600


def test_the_token_carries_the_login_and_not_its_key(member: User) -> None:
    browser = browser_of(member)
    key = browser.session.session_key

    token = browser.post("/api/connection-token").json()["token"]

    claims = jwt.decode(token, options={"verify_signature": False})
    assert str(key) not in str(claims)
    assert get_runtime().logins.unseal(claims[LOGIN_CLAIM]) == key


@pytest.mark.parametrize("browser", ["anonymous"], indirect=True)
def test_a_stranger_gets_none(browser: Client) -> None:
    assert error_code(browser.post("/api/connection-token"), status=401) == "not_signed_in"


def test_a_token_is_not_got_by_reading(browser: Client) -> None:
    assert error_code(browser.get("/api/connection-token"), status=405) == "method_not_allowed"
