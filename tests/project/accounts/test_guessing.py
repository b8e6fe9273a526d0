"""What a stranger can find out: not who has an account, and no password by trying."""

from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from project.settings import base
from tests.api.answers import error_code
from tests.project.accounts.visits import fetch_username, sign_in, sign_in_at_the_page, sign_up


def look(answer: Any) -> tuple[int, str, str]:
    """What an answer shows, without what differs between any two of them."""
    text = answer.content.decode()
    for word in ("alice@example.com", "nobody@example.com", "alice", "nobody"):
        text = text.replace(word, "WHO")
    lines = [line for line in text.splitlines() if "csrfmiddlewaretoken" not in line]
    return answer.status_code, answer.headers.get("Location", ""), "\n".join(lines)


def test_forgotten_password_answers_alike_for_known_and_unknown(alice: User) -> None:
    known, unknown = (
        Client().post("/accounts/password/reset/", {"email": f"{name}@example.com"}, follow=True)
        for name in ("alice", "nobody")
    )

    assert look(known) == look(unknown)
    # Both get a message, so that the time it takes tells nothing.
    assert [message.to for message in mail.outbox] == [["alice@example.com"], ["nobody@example.com"]]


@pytest.mark.parametrize("login", ["alice@example.com", "alice"])
def test_wrong_password_and_unknown_account_look_alike(alice: User, login: str) -> None:
    unknown = login.replace("alice", "nobody")

    assert look(sign_in(Client(), login, "wrong")) == look(sign_in(Client(), unknown, "wrong"))


@pytest.mark.parametrize("verification", ["mandatory", "optional"])
def test_signing_up_does_not_tell_that_an_address_is_taken(
    alice: User, settings: Settings, verification: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification

    taken = sign_up(Client(), "dora", "alice@example.com")
    free = sign_up(Client(), "emil", "nobody@example.com")

    assert look(taken) == look(free)
    assert [message.to for message in mail.outbox] == [["alice@example.com"], ["nobody@example.com"]]


def test_address_of_another_account_opens_nothing_until_it_is_confirmed(
    alice: User, settings: Settings
) -> None:
    """Without confirmation several accounts may name one address: its owner's stays the owner's."""
    sign_up(Client(), "dora", "alice@example.com", "doras own password")
    browser = Client()

    sign_in(browser, "alice@example.com")

    assert fetch_username(browser) == "alice"


@pytest.mark.parametrize("visit", [sign_in, sign_in_at_the_page])
def test_password_cannot_be_tried_for_long(alice: User, visit: Any) -> None:
    for _ in range(5):
        visit(Client(), "alice", "wrong")

    browser = Client()
    visit(browser)

    assert fetch_username(browser) is None


def test_other_host_names_give_no_further_tries(alice: User, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = [".example.com"]
    for number in range(5):
        sign_in(Client(headers={"Host": f"{number}.example.com"}), "alice", "wrong")

    browser = Client(headers={"Host": "www.example.com"})
    sign_in(browser)

    assert fetch_username(browser) is None


def test_api_says_when_to_try_again(alice: User) -> None:
    for _ in range(5):
        sign_in_at_the_page(Client(), "alice", "wrong")

    answer = sign_in_at_the_page(Client())

    assert error_code(answer, status=429) == "too_many_attempts"
    assert answer.headers["Retry-After"] == "300"


def test_one_address_cannot_try_many_accounts(db: None) -> None:
    answers = [sign_in_at_the_page(Client(), f"user-{number}", "wrong") for number in range(12)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2


def test_limits_hold_across_both_ways_in(alice: User) -> None:
    for _ in range(5):
        sign_in(Client(), "alice", "wrong")

    assert error_code(sign_in_at_the_page(Client()), status=429) == "too_many_attempts"


def test_nobody_signs_in_while_attempts_cannot_be_counted(alice: User, settings: Settings) -> None:
    settings.CACHES = {"default": base.cache(["redis://127.0.0.1:1/0"])}

    answer = sign_in_at_the_page(Client())

    assert error_code(answer, status=503) == "sign_in_away"
    assert answer.headers["Retry-After"]


def test_account_pages_say_that_they_are_away_while_attempts_cannot_be_counted(
    alice: User, settings: Settings
) -> None:
    settings.CACHES = {"default": base.cache(["redis://127.0.0.1:1/0"])}

    page = sign_in(Client())
    for_apps = Client(headers={"user-agent": "an app"}).post(
        "/_allauth/app/v1/auth/login", {"username": "alice", "password": "x"}, content_type="application/json"
    )

    assert page.status_code == 503
    assert "Not possible right now" in page.content.decode()
    assert error_code(for_apps, status=503) == "accounts_away"
    assert page.headers["Retry-After"] == for_apps.headers["Retry-After"] == "2"


def test_attempts_are_counted_for_all_processes_in_redis(
    alice: User, settings: Settings, redis_url: str, redis_prefix: str
) -> None:
    settings.CACHES = {"default": base.cache([redis_url]) | {"KEY_PREFIX": redis_prefix}}
    for _ in range(5):
        sign_in_at_the_page(Client(), "alice", "wrong")

    assert error_code(sign_in_at_the_page(Client()), status=429) == "too_many_attempts"
    with redis.from_url(redis_url) as client:
        assert list(client.scan_iter(f"{redis_prefix}:*"))


def test_who_asks_too_often_is_told_so_in_the_sites_look(alice: User) -> None:
    answers = [Client().post("/accounts/signup/", {}) for _ in range(21)]

    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].content.decode()
