"""`manage.py check`: what is wrong is an error, what is unwise a warning with a hint."""

from typing import Any

import pytest
from django.core.checks import CheckMessage, Error
from django.test import override_settings

from realtime.checks import check_settings

GOOD_SECRET = "0123456789abcdef0123456789abcdef"


def messages_for(**realtime: Any) -> list[CheckMessage]:
    with override_settings(REALTIME=realtime):
        return check_settings()


def test_good_settings_raise_no_word() -> None:
    assert messages_for(TOKEN_HMAC_SECRET=GOOD_SECRET) == []


@pytest.mark.parametrize(
    ("realtime", "text"),
    [
        ({"PING_INTERVAL": -1}, "REALTIME['PING_INTERVAL'] is -1, expected a number of seconds, at least 0."),
        (
            {"NAMESPACES": {"chat": {}}},
            "Namespace 'chat' is registered twice; give one of the two another name.",
        ),
    ],
)
def test_what_is_wrong_is_an_error(realtime: dict[str, Any], text: str) -> None:
    assert messages_for(**realtime) == [Error(text, id="realtime.E001")]


def test_the_insecure_mode_is_warned_about_outside_of_development() -> None:
    assert ids(messages_for(INSECURE_CLIENT=True)) == ["realtime.W001"]
    with override_settings(DEBUG=True):
        assert messages_for(INSECURE_CLIENT=True) == []


def test_a_secret_that_can_be_guessed_is_warned_about_without_telling_it() -> None:
    [warning] = messages_for(TOKEN_HMAC_SECRET="swordfish")

    assert warning.id == "realtime.W002"
    assert "swordfish" not in warning.msg
    assert warning.hint is not None
    assert "secrets.token_urlsafe(32)" in warning.hint


@override_settings(
    IS_PRODUCTION=True,
    SECRET_KEY="0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ALLOWED_HOSTS=["chat.example"],
)
def test_production_is_held_to_more() -> None:
    assert messages_for(TOKEN_HMAC_SECRET=GOOD_SECRET) == []
    assert ids(messages_for(INSECURE_CLIENT=True)) == ["realtime.E015"]
    assert ids(messages_for(TOKEN_HMAC_SECRET="swordfish")) == ["realtime.E011"]
    assert ids(messages_for(ALLOWED_ORIGINS=["*"])) == ["realtime.W004"]


def test_a_provider_s_keys_without_an_audience_are_warned_about() -> None:
    url = "https://id.example.com/keys"

    assert ids(messages_for(TOKEN_JWKS_URL=url)) == ["realtime.W005"]
    assert messages_for(TOKEN_JWKS_URL=url, TOKEN_AUDIENCE="chat") == []


@pytest.mark.parametrize(
    "options", [{"allowed_delta_types": ["fossil"]}, {"delta_publish": True}, {"allow_tags_filter": True}]
)
def test_options_that_are_not_offered_yet_are_warned_about(options: dict[str, Any]) -> None:
    assert ids(messages_for(NAMESPACES={"news": options})) == ["realtime.W003"]


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]
