"""The list of sessions, and ending one of them."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from tests.accounts import make_user
from tests.project.accounts.visits import fetch_username, sign_in, sign_in_at_the_page

SESSIONS = "/accounts/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Version/17.5 Safari/604.1"


@pytest.fixture
def phone() -> Client:
    return Client(headers={"User-Agent": IPHONE})


@pytest.fixture
def desktop() -> Client:
    return Client(headers={"User-Agent": FIREFOX})


def sessions_on(page: str) -> dict[str, str]:
    """Each browser in the list, and the number that ends its session."""
    names = re.findall(r'class="session-name"><span[^>]*>([^<]*)', page)
    return dict(zip(names, re.findall(r'name="session" value="(\d+)"', page), strict=True))


def test_list_shows_both_browsers_and_ending_one_signs_it_out(
    alice: User, phone: Client, desktop: Client
) -> None:
    sign_in(desktop)
    # Signing in over the API counts, too.
    sign_in_at_the_page(phone)

    sessions = sessions_on(desktop.get(SESSIONS).content.decode())
    assert sessions.keys() == {"Firefox on Linux", "Safari on iPhone"}
    desktop.post(SESSIONS, {"session": sessions["Safari on iPhone"]})

    assert fetch_username(phone) is None
    assert fetch_username(desktop) == "alice"
    assert sessions_on(desktop.get(SESSIONS).content.decode()).keys() == {"Firefox on Linux"}
    assert Session.objects.filter(session_key=desktop.session.session_key).exists()


def test_all_others_can_be_ended_at_once(alice: User, phone: Client, desktop: Client) -> None:
    sign_in(phone)
    sign_in(desktop)

    desktop.post(SESSIONS)

    assert (fetch_username(phone), fetch_username(desktop)) == (None, "alice")


def test_own_session_can_be_ended_from_the_list(alice: User, desktop: Client) -> None:
    sign_in(desktop)
    (number,) = sessions_on(desktop.get(SESSIONS).content.decode()).values()

    assert desktop.post(SESSIONS, {"session": number}).headers["Location"] == "/accounts/login/"

    assert fetch_username(desktop) is None


@pytest.mark.parametrize("number", ["bobs", "0", "-1", "9" * 30, "1 OR 1=1", "²"])
def test_nobody_ends_anybody_elses(alice: User, phone: Client, desktop: Client, number: str) -> None:
    make_user("bob")
    sign_in(phone, "bob")
    (bobs,) = sessions_on(phone.get(SESSIONS).content.decode()).values()
    sign_in(desktop)

    desktop.post(SESSIONS, {"session": bobs if number == "bobs" else number})

    assert (fetch_username(phone), fetch_username(desktop)) == ("bob", "alice")


def test_stranger_sees_no_sessions(client: Client, db: None) -> None:
    assert client.get(SESSIONS).headers["Location"] == f"/accounts/login/?next={SESSIONS}"
    assert client.post(SESSIONS, {"session": "1"}).status_code == 302
