"""Forgotten and changed passwords."""

from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.accounts import PASSWORD
from tests.project.accounts.visits import fetch_username, link_in_mail, sign_in

NEW_PASSWORD = "another horse, another battery"


def test_forgotten_password_is_replaced_by_a_link(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": "alice@example.com"})
    link = link_in_mail("/accounts/password/reset/key/")
    form = client.get(link).headers["Location"]
    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    browser = Client()
    assert sign_in(browser, password=PASSWORD).status_code == 200
    assert sign_in(browser, password=NEW_PASSWORD).status_code == 302
    assert fetch_username(browser) == "alice"
    # It opens nothing a second time.
    assert "Bad Token" in Client().get(link).content.decode()


def test_changing_the_password_ends_the_other_sessions_alone(client: Client, alice: User) -> None:
    other = Client()
    for browser in (client, other):
        sign_in(browser)

    change = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post("/accounts/password/change/", change)

    assert fetch_username(client) == "alice"
    assert fetch_username(other) is None


def test_where_no_mail_can_be_sent_nobody_is_told_to_wait_for_it(
    client: Client, db: None, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

    page = client.get("/accounts/password/reset/").content.decode()

    assert "This site sends no e-mail" in page
    assert '<form class="account-form"' not in page
    assert mail.outbox == []
