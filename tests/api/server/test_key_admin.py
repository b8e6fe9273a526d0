"""API keys in the admin: a secret is shown once, and is in no other answer, cookie or row."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from api.key_rows import create_key
from api.keys import Secret, digest_of
from api.models import ApiKey
from tests.accounts import browser_of, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]

LIST, ADD = "/admin/api/apikey/", "/admin/api/apikey/add/"
SECRET = re.compile(r"sb_[0-9a-f]{12}_[\w-]{43}")
FORM = {"name": "shop", "scopes": ["publish", "info"], "namespaces": "news, :"}


@pytest.fixture
def browser() -> Client:
    return browser_of(make_user("root", is_admin=True))


def secrets_in(answer: Any) -> list[str]:
    return SECRET.findall(answer.content.decode())


def add_key(**options: Any) -> tuple[ApiKey, Secret]:
    wanted: dict[str, Any] = {"name": "shop", "scopes": ["publish"], "namespaces": ["news"], **options}
    return create_key(**wanted)


def act(browser: Client, action: str, *keys: ApiKey) -> Any:
    return browser.post(LIST, {"action": action, "_selected_action": [key.pk for key in keys]}, follow=True)


def test_a_new_keys_secret_is_shown_once(browser: Client) -> None:
    answer = browser.post(ADD, FORM)

    [secret] = secrets_in(answer)
    key = ApiKey.objects.get()
    assert key.digest == digest_of(secret).hex()
    assert (key.scopes, key.namespaces) == (["publish", "info"], ["", "news"])
    assert key.created_by == User.objects.get(username="root")
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in str(answer.cookies) + str(dict(browser.session))
    for page in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/"):
        later = browser.get(page)
        assert later.status_code == 200
        assert not secrets_in(later)
        assert key.digest not in later.content.decode()


def test_what_a_key_may_do_can_be_changed_and_its_secret_cannot(browser: Client) -> None:
    key, _ = add_key()

    browser.post(f"{LIST}{key.pk}/change/", {**FORM, "digest": "0" * 64, "prefix": "other"})

    changed = ApiKey.objects.get()
    assert changed.namespaces == ["", "news"]
    assert (changed.digest, changed.prefix) == (key.digest, key.prefix)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": ""}, "required"),
        ({"scopes": []}, "required"),
        ({"scopes": ["everything"]}, "valid choice"),
        ({"namespaces": "a:b"}, "no name of a namespace"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}, "expired already"),
    ],
)
def test_a_form_that_makes_no_key_says_why(browser: Client, change: dict[str, Any], word: str) -> None:
    answer = browser.post(ADD, {**FORM, **change})

    assert word in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_a_rotation_shows_the_new_secret_and_keeps_the_old_one_for_a_day(browser: Client) -> None:
    key, old = add_key()

    [secret] = secrets_in(act(browser, "rotate", key))

    key.refresh_from_db()
    assert key.digest == digest_of(secret).hex()
    assert key.previous_digest == old.digest.hex()
    assert key.previous_ends_at is not None
    assert timedelta(hours=23) < key.previous_ends_at - timezone.now() <= timedelta(days=1)
    assert LogEntry.objects.latest("id").get_change_message() == "Rotated."


def test_keys_are_rotated_one_at_a_time_and_not_once_revoked(browser: Client) -> None:
    first, second = add_key()[0], add_key()[0]
    act(browser, "revoke", second)

    for keys, word in (((first, second), "Choose one key"), ((second,), "is revoked")):
        answer = act(browser, "rotate", *keys)
        assert word in answer.content.decode()
        assert not secrets_in(answer)


def test_several_keys_are_revoked_together(browser: Client) -> None:
    keys = [add_key()[0] for _ in range(2)]

    act(browser, "revoke", *keys)

    assert all(key.is_revoked and key.state == "revoked" for key in ApiKey.objects.all())


def test_who_may_only_look_neither_makes_nor_rotates_nor_revokes() -> None:
    key, _ = add_key()
    user = make_user("looker")
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    browser = browser_of(user)

    assert browser.get(LIST).status_code == 200
    assert browser.post(ADD, FORM).status_code == 403
    for action in ("rotate", "revoke"):
        assert not secrets_in(act(browser, action, key))
    unchanged = ApiKey.objects.get()
    assert (unchanged.digest, unchanged.is_revoked) == (key.digest, False)
