"""What the environment says about e-mail and providers, and what Django is told then."""

import json

import pytest

from project.settings import accounts, base, environment
from project.settings.environment import BadEnvironment

ACME = {"id": "acme", "name": "Acme", "server_url": "https://login.example.com", "client_id": "switchboard"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 25, "", "", False, False)),
        ("smtp+starttls://u:p%40ss%2F@mail:2525", ("mail", 2525, "u", "p@ss/", True, False)),
        ("smtps://u%40example.com:p@mail", ("mail", 465, "u@example.com", "p", False, True)),
    ],
)
def test_mail_server_is_one_url(url: str, expected: tuple[object, ...]) -> None:
    config = accounts.email(environment.EMAIL_URL.read({"EMAIL_URL": url}), otherwise="dummy")

    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    assert tuple(config[f"EMAIL_{name}"] for name in names) == expected
    assert config["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    "url", ["mail.example.com", "imap://host", "smtp://", "smtp://u:pa/ss@host", "smtp://h:x"]
)
def test_mail_url_that_cannot_be_read_stops_the_start_without_showing_it(url: str) -> None:
    with pytest.raises(BadEnvironment, match="EMAIL_URL is set to something, which is not"):
        environment.EMAIL_URL.read({"EMAIL_URL": url})


def test_providers_are_one_json_list() -> None:
    environ = {"OIDC_PROVIDERS": json.dumps([{**ACME, "secret": "shh"}])}

    (app,) = accounts.oidc_apps(environment.OIDC_PROVIDERS.read(environ))

    assert app == {
        "provider_id": "acme",
        "name": "Acme",
        "client_id": "switchboard",
        "secret": "shh",
        "settings": {"server_url": "https://login.example.com"},
    }


@pytest.mark.parametrize(
    "providers",
    [
        "acme",
        "{}",
        "[1]",
        '["acme"]',
        [{"id": "acme"}],
        [{**ACME, "colour": "red"}],
        [{**ACME, "id": "a/b"}],
        [{**ACME, "id": ""}],
        [{**ACME, "server_url": "login.example.com"}],
        [{**ACME, "client_id": 7}],
        [ACME, ACME],
    ],
)
def test_providers_that_cannot_be_read_stop_the_start_without_showing_their_secrets(
    providers: object,
) -> None:
    text = providers if isinstance(providers, str) else json.dumps(providers)

    with pytest.raises(BadEnvironment, match="OIDC_PROVIDERS is set to something, which is not"):
        environment.OIDC_PROVIDERS.read({"OIDC_PROVIDERS": text})


def test_wrong_passwords_are_counted_for_all_processes_where_there_is_redis() -> None:
    config = base.cache(["redis://one:6379/0", "redis://two:6379/0"])

    assert config["BACKEND"] == "django.core.cache.backends.redis.RedisCache"
    assert config["LOCATION"] == "redis://one:6379/0"
    assert config["KEY_PREFIX"] == "switchboard:cache"
