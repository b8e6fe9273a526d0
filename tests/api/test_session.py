"""Signing in and out, with the CSRF check that browsers meet."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.accounts import PASSWORD, browser_of, checking_browser
from tests.api.answers import error_code

pytestmark = pytest.mark.django_db


def sign_in(browser: Client, *, csrf: str, username: str = "alice", password: str = PASSWORD) -> Any:
    return browser.post(
        "/api/session",
        {"username": username, "password": password},
        content_type="application/json",
        headers={"X-CSRFToken": csrf},
    )


def fetch_csrf(browser: Client) -> str:
    token: str = browser.get("/api/session").json()["csrf"]
    return token


def test_a_stranger_is_nobody_and_gets_a_csrf_token() -> None:
    session = checking_browser().get("/api/session").json()

    assert session["user"] is None
    assert session["csrf"]


def test_signing_in_answers_with_the_person_and_a_token_that_works(member: User) -> None:
    browser = checking_browser()

    answer = sign_in(browser, csrf=fetch_csrf(browser))

    person = {"id": member.pk, "username": "alice", "name": "Alice"}
    assert (answer.status_code, answer.json()["user"]) == (200, person)
    assert browser.get("/api/session").json()["user"] == person
    signed_out = browser.delete("/api/session", headers={"X-CSRFToken": answer.json()["csrf"]})
    assert signed_out.status_code == 204
    assert browser.get("/api/session").json()["user"] is None


def test_a_person_without_a_name_is_called_by_the_user_name(admin: User) -> None:
    assert browser_of(admin).get("/api/session").json()["user"]["name"] == "admin"


def test_signing_in_needs_the_csrf_token(member: User) -> None:
    browser = checking_browser()
    fetch_csrf(browser)

    assert error_code(sign_in(browser, csrf=""), status=403) == "csrf_failed"
    assert browser.get("/api/session").json()["user"] is None


def test_the_csrf_token_of_before_signing_in_is_no_good_afterwards(member: User) -> None:
    browser = checking_browser()
    token = fetch_csrf(browser)
    sign_in(browser, csrf=token)

    answer = browser.post("/api/connection-token", headers={"X-CSRFToken": token})

    assert error_code(answer, status=403) == "csrf_failed"


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("", ""), ("alice\0", PASSWORD)]
)
def test_wrong_credentials_are_refused_without_telling_which(
    member: User, username: str, password: str
) -> None:
    browser = checking_browser()

    answer = sign_in(browser, csrf=fetch_csrf(browser), username=username, password=password)

    assert error_code(answer, status=401) == "invalid_credentials"
    assert answer.json()["error"]["message"].startswith("No active account has this user name and password")


def test_an_inactive_account_is_refused_like_a_wrong_password(member: User) -> None:
    User.objects.filter(pk=member.pk).update(is_active=False)
    browser = checking_browser()

    assert error_code(sign_in(browser, csrf=fetch_csrf(browser)), status=401) == "invalid_credentials"


def test_signing_out_twice_is_no_error(member: User) -> None:
    browser = browser_of(member)

    assert [browser.delete("/api/session").status_code for _ in range(2)] == [204, 204]


def test_the_session_cookie_is_out_of_reach_of_scripts(member: User) -> None:
    browser = checking_browser()
    sign_in(browser, csrf=fetch_csrf(browser))

    assert browser.cookies["sessionid"]["httponly"]
    assert browser.cookies["sessionid"]["samesite"] == "Lax"
    assert browser.cookies["csrftoken"]["httponly"]
