"""From a stranger to a member: signing up, and confirming the address."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.api.answers import error_code
from tests.project.accounts.visits import (
    fetch_username,
    link_in_mail,
    sign_in,
    sign_in_at_the_page,
    sign_up,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def confirmation(settings: Settings) -> None:
    """As in production with EMAIL_URL."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def test_stranger_signs_up_confirms_the_address_and_signs_in(client: Client, confirmation: None) -> None:
    answer = sign_up(client, "dora", "dora@example.com")
    assert answer.headers["Location"] == "/accounts/confirm-email/"
    assert fetch_username(client) is None

    link = link_in_mail("/accounts/confirm-email/")
    # Mail scanners open links: that alone confirms nothing.
    assert client.get(link).status_code == 200
    assert sign_in(Client(), "dora").headers["Location"] == "/accounts/confirm-email/"
    client.post(link)

    browser = Client()
    assert sign_in(browser, "dora@example.com").headers["Location"] == "/"
    assert fetch_username(browser) == "dora"


def test_page_says_that_the_address_is_not_confirmed(client: Client, confirmation: None) -> None:
    sign_up(client, "dora", "dora@example.com")

    answer = sign_in_at_the_page(Client(), "dora")

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "email_unconfirmed"


def test_page_does_not_say_so_to_who_does_not_know_the_password(client: Client, confirmation: None) -> None:
    sign_up(client, "dora", "dora@example.com")

    answer = sign_in_at_the_page(Client(), "dora", "wrong")

    assert error_code(answer, status=401) == "invalid_credentials"


def test_account_that_a_command_made_has_nothing_to_confirm(client: Client, confirmation: None) -> None:
    User.objects.create_superuser("root", password="correct horse battery staple")

    sign_in(client, "root")

    assert fetch_username(client) == "root"


def test_where_nothing_need_be_confirmed_one_is_signed_in_at_once(client: Client) -> None:
    assert sign_up(client, "dora", "dora@example.com").headers["Location"] == "/"

    assert fetch_username(client) == "dora"
    assert len(mail.outbox) == 1


def test_weak_password_is_refused_and_named_at_its_field(client: Client) -> None:
    page = sign_up(client, "dora", "dora@example.com", "12345678")

    assert 'id="id_password1_error"' in page.content.decode()
    assert 'aria-describedby="id_password1_helptext id_password1_error"' in page.content.decode()
    assert not User.objects.filter(username="dora").exists()


def test_site_can_be_closed_to_strangers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_UP", "off")

    sign_up(client, "dora", "dora@example.com")

    assert not User.objects.filter(username="dora").exists()
    assert "/accounts/signup/" not in client.get("/accounts/login/").content.decode()
