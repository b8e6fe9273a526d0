"""Logins as Django keeps them: who is signed in by a session's key, and what looking it up costs."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime.conf import load_site_logins
from realtime.hooks import Hooks
from realtime.login_store import DjangoLogins, login_id
from realtime.logins import Login
from realtime.testing.node import run_at_once
from tests.accounts import make_user

pytestmark = pytest.mark.django_db


def logins() -> DjangoLogins:
    return DjangoLogins(site=load_site_logins(), hooks=Hooks(run_blocking=run_at_once))


def fetch(key: str) -> Login | None:
    # In the test's own thread and transaction: nothing in it awaits.
    try:
        logins().fetch(key).send(None)
    except StopIteration as done:
        login: Login | None = done.value
        return login
    raise AssertionError("it awaited")


def sign_in(user: User) -> str:
    browser = Client()
    browser.force_login(user)
    return str(browser.session.session_key)


def test_a_session_s_key_tells_who_is_signed_in_and_until_when() -> None:
    user = make_user(first_name="Alice")
    key = sign_in(user)

    login = fetch(key)

    assert login is not None
    assert (login.user, login.info, login.id) == (str(user.pk), b'{"name":"Alice"}', login_id(key))
    assert login.expires_at == Session.objects.get().expire_date.timestamp()
    assert key not in login.id


def test_looking_one_up_takes_two_queries_and_writes_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    key = sign_in(make_user())

    with CaptureQueriesContext(
        connection,
    ) as queries:
        fetch(key)

    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "SELECT"]
    record_property("queries_per_login", len(queries))


def _log_out(browser: Client, user: User) -> None:
    browser.logout()


def _change_password(browser: Client, user: User) -> None:
    user.set_password("another password")
    user.save()


def _deactivate(browser: Client, user: User) -> None:
    User.objects.update(is_active=False)


def _delete_user(browser: Client, user: User) -> None:
    user.delete()


def _delete_session(browser: Client, user: User) -> None:
    Session.objects.all().delete()


def _expire(browser: Client, user: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def _corrupt(browser: Client, user: User) -> None:
    Session.objects.update(session_data="corrupt")


def _remove_backend(browser: Client, user: User) -> None:
    session = browser.session
    session["_auth_user_backend"] = "somewhere.else.Backend"
    session.save()


def _name_nobody(browser: Client, user: User) -> None:
    session = browser.session
    session["_auth_user_id"] = "nobody"
    session.save()


def _sign_out_by_hand(browser: Client, user: User) -> None:
    session = browser.session
    del session["_auth_user_id"]
    session.save()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "end",
    [
        _log_out, _change_password, _deactivate, _delete_user, _delete_session, _expire, _corrupt,
        _remove_backend, _name_nobody, _sign_out_by_hand,
    ],
)  # fmt: skip
def test_what_ends_a_login_leaves_none(end: Callable[[Client, User], None]) -> None:
    user, browser = make_user(), Client()
    browser.force_login(user)
    key = str(browser.session.session_key)
    assert fetch(key) is not None

    end(browser, user)

    assert fetch(key) is None


@pytest.mark.parametrize("key", ["", "x", "0" * 32, "a\0b", "ü" * 32, "a" * 5000, "' OR 1=1 --", "a b\nc"])
def test_what_is_no_key_finds_nobody(key: str) -> None:
    make_user()

    assert fetch(key) is None


def test_a_visitor_s_session_is_no_login() -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store["basket"] = [1]
    store.save()

    assert fetch(store.session_key) is None


def test_a_password_check_that_was_signed_with_an_old_key_still_counts_and_is_left_alone() -> None:
    key = sign_in(make_user())
    before = Session.objects.get().session_data
    changed: dict[str, Any] = {
        "SECRET_KEY": "a new secret key for the tests, long enough for anything",
        "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY],
    }

    with override_settings(**changed):
        assert fetch(key) is not None

    assert Session.objects.get().session_data == before


@pytest.mark.parametrize("engine", ["cached_db", "cache"])
def test_other_engines_tell_too(engine: str) -> None:
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        browser = Client()
        browser.force_login(make_user())
        key = str(browser.session.session_key)

        login = fetch(key)

        assert login is not None
        # Only a row says when it ends; without one the checks find out.
        assert (login.expires_at is None) is (engine == "cache")
        browser.logout()
        assert fetch(key) is None


def test_a_sealed_key_is_read_by_this_site_alone() -> None:
    site = logins()
    sealed = site.seal("the key")

    assert "key" not in sealed
    assert site.unseal(sealed) == "the key"
    assert site.unseal(sealed[:-4] + "AAAA") == ""
    for other in ("", "the key", "ü", "A" * 200):
        assert site.unseal(other) == ""
    with override_settings(SECRET_KEY="another site's secret, which has nothing to do with this one"):
        assert logins().unseal(sealed) == ""
    with override_settings(
        SECRET_KEY="the next secret of this site, after it was changed once",
        SECRET_KEY_FALLBACKS=[settings.SECRET_KEY],
    ):
        assert logins().unseal(sealed) == "the key"
