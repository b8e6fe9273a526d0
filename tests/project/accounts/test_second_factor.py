"""Second factors: no way in without one where an account has it."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.accounts import make_user
from tests.project.accounts.visits import (
    add_totp,
    confirm_address,
    fetch_username,
    prove_it_again,
    sign_in,
    sign_in_at_the_page,
    totp,
)

STEP = "/accounts/2fa/authenticate/"


@pytest.fixture
def secret(alice: User) -> str:
    """Of the authenticator app that alice has added."""
    browser = Client()
    sign_in(browser)
    return add_totp(browser)


def test_password_alone_does_not_sign_in_at_the_account_pages(client: Client, secret: str) -> None:
    assert sign_in(client).headers["Location"] == STEP
    assert fetch_username(client) is None

    assert client.post(STEP, {"code": "000000"}).status_code == 200
    assert fetch_username(client) is None
    client.post(STEP, {"code": totp(secret, steps_ahead=1)})
    assert fetch_username(client) == "alice"


def test_password_alone_does_not_sign_in_at_the_api(client: Client, secret: str) -> None:
    answer = sign_in_at_the_page(client)

    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["code"], error["location"]) == ("second_factor_required", STEP)
    assert client.post("/api/connection-token").status_code == 401
    client.post(error["location"], {"code": totp(secret, steps_ahead=1)})
    assert fetch_username(client) == "alice"


def test_password_alone_does_not_open_the_admin(client: Client, secret: str, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)

    page = client.get("/admin/", follow=True)

    assert page.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    client.post("/admin/login/", {"username": "alice", "password": "correct horse battery staple"})
    assert fetch_username(client) is None


def test_account_that_was_signed_in_before_is_not_taken_for_the_one_that_signs_in(
    client: Client, secret: str
) -> None:
    make_user("bob")
    sign_in_at_the_page(client, "bob")

    assert sign_in_at_the_page(client, "alice").status_code == 401

    assert fetch_username(client) is None


def test_session_that_somebody_left_open_changes_no_second_factor(client: Client, alice: User) -> None:
    sign_in(client)

    for path in ("totp/activate/", "webauthn/add/", "recovery-codes/generate/"):
        answer = client.post(f"/accounts/2fa/{path}")
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")


def test_code_works_once(client: Client, secret: str) -> None:
    code = totp(secret, steps_ahead=1)
    sign_in(client)
    client.post(STEP, {"code": code})

    other = Client()
    sign_in(other)
    other.post(STEP, {"code": code})

    assert fetch_username(other) is None


def test_codes_cannot_be_guessed_for_long(client: Client, secret: str) -> None:
    sign_in(client)

    for number in range(10):
        client.post(STEP, {"code": f"{number:06}"})

    client.post(STEP, {"code": totp(secret, steps_ahead=1)})
    assert fetch_username(client) is None


def test_recovery_code_stands_in_for_a_lost_app_once(client: Client, secret: str) -> None:
    owner = Client()
    sign_in(owner)
    owner.post(STEP, {"code": totp(secret, steps_ahead=1)})
    prove_it_again(owner)
    owner.post("/accounts/2fa/recovery-codes/generate/")
    codes = re.findall(r"\b\d{8}\b", owner.get("/accounts/2fa/recovery-codes/").content.decode())
    assert len(codes) == 10

    sign_in(client)
    client.post(STEP, {"code": codes[0]})
    assert fetch_username(client) == "alice"
    other = Client()
    sign_in(other)
    other.post(STEP, {"code": codes[0]})
    assert fetch_username(other) is None


def test_database_alone_makes_no_codes(secret: str, settings: Settings) -> None:
    stored = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    assert secret not in f"{stored.data}"

    # A new key reads what the old one wrote, while the old one is named.
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a-new-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz"
    assert stored.wrap().validate_code(totp(secret, steps_ahead=1))


def test_second_factor_waits_for_the_address_to_be_confirmed(client: Client, db: None) -> None:
    user = make_user("bob")
    confirm_address(user, "bob@example.com")
    user.emailaddress_set.update(verified=False)  # type: ignore[attr-defined]  # allauth's.
    sign_in(client, "bob")

    prove_it_again(client)

    page = client.get("/accounts/2fa/totp/activate/", follow=True)

    assert "until you have verified your email address" in page.content.decode()
