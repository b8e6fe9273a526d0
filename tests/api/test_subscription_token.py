"""The token that opens one topic: given to whom the topic's own rule lets in."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from realtime.caller import Caller
from realtime.runtime import get_runtime
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.accounts import browser_of, checking_browser
from tests.api.answers import error_code

PATH = "/api/subscription-token"
asked: list[tuple[Caller, str]] = []


def lets_in_alice(caller: Caller, topic: TopicName) -> bool:
    asked.append((caller, topic.text))
    return User.objects.filter(pk=caller.user, username="alice").exists()


NAMESPACES = (
    Namespace(name="minted", can_subscribe=lets_in_alice),
    Namespace(name="everybody", allow_subscribe_for_client=True),
    Namespace(name="nobody"),
    Namespace(name="dialog", allow_user_limited_channels=True),
)


@pytest.fixture(autouse=True)
def namespaces() -> Iterator[None]:
    registry: Any = get_runtime().node.namespaces
    for namespace in NAMESPACES:
        registry.register(namespace)
    asked.clear()
    yield
    for namespace in NAMESPACES:
        del registry._namespaces[namespace.name]


def ask(browser: Client, channel: object) -> Any:
    return browser.post(PATH, {"channel": channel}, content_type="application/json")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("channel", ["minted:a", "$minted:a", "everybody:a"])
def test_the_token_opens_this_topic_for_this_account_and_not_for_long(member: User, channel: str) -> None:
    answer = ask(browser_of(member), channel)

    claims = jwt.decode(answer.json()["token"], settings.REALTIME["TOKEN_HMAC_SECRET"], algorithms=["HS256"])
    assert (claims["sub"], claims["channel"]) == (str(member.pk), channel)
    assert claims["exp"] - claims["iat"] == 120
    for caller, topic in asked:
        assert (caller.user, caller.info, topic) == (str(member.pk), b'{"name":"Alice"}', channel)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "channel",
    [
        "minted:a", "$minted:a", "nobody:a", "$nobody:a", "unknown:a", "a",
        # Open to those who ask themselves, but no rule in Python gives the private ones away.
        "$everybody:a", "dialog:a#1000000", "$minted:a#1000000", "with a space", "ünï",
    ],
)  # fmt: skip
def test_what_the_rule_does_not_open_and_what_is_not_there_look_alike(admin: User, channel: str) -> None:
    answer = ask(browser_of(admin), channel)

    assert error_code(answer, status=403) == "not_allowed"


def test_a_topic_named_for_its_users_is_opened_for_them(member: User) -> None:
    assert ask(browser_of(member), f"dialog:a#{member.pk},7").status_code == 200


@pytest.mark.parametrize("channel", ["", "x" * 256, 5, None, ["a"]])
def test_what_is_no_channel_is_refused(member: User, channel: object) -> None:
    assert error_code(ask(browser_of(member), channel), status=400) == "invalid_request"


@pytest.mark.parametrize("browser", ["anonymous"], indirect=True)
def test_a_stranger_gets_none(browser: Client) -> None:
    assert error_code(ask(browser, "everybody:a"), status=401) == "not_signed_in"


def test_a_foreign_page_cannot_ask_in_somebody_s_name(member: User) -> None:
    browser = checking_browser()
    browser.force_login(member)

    assert error_code(ask(browser, "everybody:a"), status=403) == "csrf_failed"
