"""Guessing passwords comes to an end, for an account and for an address, at every door that takes one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.accounts import PASSWORD, make_user

pytestmark = pytest.mark.django_db

Attempt = Callable[[str, str], Any]


def by_page(username: str, password: str) -> Any:
    return Client().post("/accounts/login/", {"login": username, "password": password})


def by_api(username: str, password: str) -> Any:
    credentials = {"username": username, "password": password}
    return Client().post("/api/session", credentials, content_type="application/json")


def by_app(username: str, password: str) -> Any:
    credentials = {"username": username, "password": password}
    return Client().post("/_allauth/app/v1/auth/login", credentials, content_type="application/json")


DOORS: dict[str, Attempt] = {"page": by_page, "api": by_api, "app": by_app}


def gets_in(answer: Any) -> bool:
    return "sessionid" in answer.cookies or (
        answer.status_code == 200
        and answer.headers["Content-Type"] == "application/json"
        and bool(answer.json().get("meta", {}).get("is_authenticated"))
    )


@pytest.mark.parametrize("door", DOORS)
def test_after_a_few_wrong_passwords_the_right_one_does_not_help(door: str) -> None:
    make_user("alice")
    attempt = DOORS[door]

    answers = [attempt("alice", f"wrong {number}") for number in range(8)]

    assert not any(gets_in(answer) for answer in answers)
    assert not gets_in(attempt("alice", PASSWORD))


@pytest.mark.parametrize("door", DOORS)
def test_the_right_password_gets_in_where_nobody_guessed(door: str) -> None:
    make_user("alice")

    assert gets_in(DOORS[door]("alice", PASSWORD))


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_password_and_a_wrong_name_are_answered_alike(door: str) -> None:
    make_user("alice")
    attempt = DOORS[door]

    known, unknown = attempt("alice", "wrong"), attempt("nobody", "wrong")

    assert known.status_code == unknown.status_code
    same = [answer.text.replace("nobody", "alice") for answer in (known, unknown)]
    # Pages carry a token of their own each time.
    if door != "page":
        assert same[0] == same[1]
    else:
        assert len(same[0]) == len(same[1])
