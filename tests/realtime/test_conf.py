"""REALTIME: each bad value stops the server with a text that says what was expected."""

from typing import Any

import pytest

from realtime.conf import Settings, parse_settings
from realtime.errors import ConfigurationError
from realtime.limits import Limits
from tests.realtime.keys.pairs import ec_key, private_pem, public_pem, rsa_key

NAN, INFINITY = float("nan"), float("inf")
SECONDS = [
    "PING_INTERVAL", "PONG_TIMEOUT", "CONNECT_TIMEOUT", "EXPIRY_GRACE", "SHUTDOWN_DELAY", "SHUTDOWN_SPREAD",
    "NODE_ANNOUNCE_INTERVAL", "PRESENCE_LEASE", "POSITION_CHECK_INTERVAL",
]  # fmt: skip
COUNTS = [
    "MAX_MESSAGE_BYTES", "MAX_PUBLICATION_BYTES", "MAX_TOPICS_PER_CONNECTION", "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_USER", "SLOW_CLIENT_BYTES", "HOOK_THREADS",
]  # fmt: skip


def refusal_of(settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(settings)
    return str(caught.value)


def test_nothing_needs_to_be_set() -> None:
    assert parse_settings({}) == Settings()


def test_every_key_reaches_its_setting() -> None:
    settings = parse_settings(
        {
            "TOKEN_HMAC_SECRET": "secret",
            "TOKEN_AUDIENCE": "chat",
            "TOKEN_ISSUER": "us",
            "ALLOWED_ORIGINS": ["https://example.com", "https://.example.org:8443", "*"],
            "API_KEYS": ["key"],
            "SUBSCRIBE_TO_PERSONAL_TOPIC": True,
            "ALLOW_ANONYMOUS_CONNECT": True,
            "INSECURE_CLIENT": True,
            "NAMESPACES": {"": {}, "news": {"history_size": 100, "history_ttl": 300}},
            "PING_INTERVAL": 10,
            "PONG_TIMEOUT": 2.5,
            "CONNECT_TIMEOUT": 3,
            "EXPIRY_GRACE": 4,
            "MAX_MESSAGE_BYTES": 2048,
            "MAX_PUBLICATION_BYTES": 1000,
            "MAX_TOPICS_PER_CONNECTION": 5,
            "MAX_CONNECTIONS": 6,
            "MAX_CONNECTIONS_PER_USER": 7,
            "SLOW_CLIENT_BYTES": 100_000,
            "HOOK_THREADS": 8,
            "PRESENCE_LEASE": 30,
            "POSITION_CHECK_INTERVAL": 20,
            "SHUTDOWN_DELAY": 0,
            "SHUTDOWN_SPREAD": 9,
            "NODE_NAME": "left",
            "NODE_ANNOUNCE_INTERVAL": 0.5,
        }
    )

    assert settings.allowed_origins == ("https://example.com", "https://.example.org:8443", "*")
    assert [(each.name, each.history_size) for each in settings.namespaces] == [("", 0), ("news", 100)]
    assert settings.limits == Limits(
        ping_interval_seconds=10,
        pong_timeout_seconds=2.5,
        connect_timeout_seconds=3,
        expiry_grace_seconds=4,
        max_message_bytes=2048,
        max_topics_per_connection=5,
        max_connections=6,
        max_connections_per_user=7,
        slow_client_bytes=100_000,
    )
    assert (settings.token_hmac_secret, settings.token_audience, settings.token_issuer) == (
        "secret", "chat", "us",
    )  # fmt: skip
    assert settings.subscribe_to_personal_topic
    assert settings.allow_anonymous_connect
    assert settings.insecure_client
    assert (settings.api_keys, settings.max_publication_bytes, settings.hook_threads) == (("key",), 1000, 8)
    assert (settings.presence_lease_seconds, settings.position_check_seconds) == (30, 20)
    assert (settings.shutdown_delay_seconds, settings.shutdown_spread_seconds) == (0, 9)
    assert (settings.node_name, settings.node_announce_interval_seconds) == ("left", 0.5)


@pytest.mark.parametrize("settings", [None, [], "REALTIME", 5])
def test_realtime_must_be_a_dict(settings: Any) -> None:
    assert "expected a dict" in refusal_of(settings)


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    assert refusal_of({"PING_INTERVALL": 5}) == (
        "REALTIME has an unknown key 'PING_INTERVALL'; did you mean 'PING_INTERVAL'?"
    )


@pytest.mark.parametrize("key", ["xyzzy", 5, None])
def test_a_key_like_no_other_is_refused_with_those_there_are(key: Any) -> None:
    assert f"unknown key {key!r}; known are ALLOWED_ORIGINS, ALLOW_ANON" in refusal_of({key: 5})


@pytest.mark.parametrize("key", SECONDS)
@pytest.mark.parametrize("value", [-1, "25", None, True, [], NAN, INFINITY])
def test_seconds_must_be_a_number(key: str, value: Any) -> None:
    assert refusal_of({key: value}).startswith(
        f"REALTIME[{key!r}] is {value!r}, expected a number of seconds"
    )


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize("value", [-1, 1.5, "5", None, True])
def test_counts_must_be_whole_numbers(key: str, value: Any) -> None:
    assert refusal_of({key: value}).startswith(f"REALTIME[{key!r}] is {value!r}, expected a whole number of ")


@pytest.mark.parametrize("key", ["SUBSCRIBE_TO_PERSONAL_TOPIC", "ALLOW_ANONYMOUS_CONNECT", "INSECURE_CLIENT"])
@pytest.mark.parametrize("value", [1, "yes", None])
def test_flags_must_be_true_or_false(key: str, value: Any) -> None:
    assert refusal_of({key: value}) == f"REALTIME[{key!r}] is {value!r}, expected True or False."


@pytest.mark.parametrize("key", ["TOKEN_AUDIENCE", "TOKEN_ISSUER", "TOKEN_HMAC_SECRET"])
@pytest.mark.parametrize("value", [5, None, b"text"])
def test_texts_must_be_texts(key: str, value: Any) -> None:
    assert refusal_of({key: value}).endswith("expected a text.")


@pytest.mark.parametrize(
    ("key", "value"), [("TOKEN_HMAC_SECRET", b"hidden"), ("API_KEYS", "hidden"), ("API_KEYS", ["hidden", ""])]
)
def test_secrets_are_not_in_the_texts_that_refuse_them(key: str, value: Any) -> None:
    assert "hidden" not in refusal_of({key: value})


@pytest.mark.parametrize("value", ["https://example.com", ["example.com"], [5], None, {"a": "b"}])
def test_origins_must_be_a_list_of_origins(value: Any) -> None:
    assert "REALTIME['ALLOWED_ORIGINS'] is " in refusal_of({"ALLOWED_ORIGINS": value})


@pytest.mark.parametrize("value", [["news"], {"news": []}, {"news": None}, "news", None])
def test_namespaces_must_be_a_dict_of_dicts(value: Any) -> None:
    assert "expected a dict of dicts" in refusal_of({"NAMESPACES": value})


def test_a_namespace_in_the_settings_is_checked_as_any_other() -> None:
    assert refusal_of({"NAMESPACES": {"news": {"force_recovery": True}}}) == (
        "Namespace 'news': force_recovery needs a log; set history_size and history_ttl."
    )


def test_a_pong_must_be_due_before_the_next_ping() -> None:
    text = refusal_of({"PING_INTERVAL": 5, "PONG_TIMEOUT": 8})

    assert text.endswith("a pong must be due before the next ping; make PONG_TIMEOUT smaller.")
    assert parse_settings({"PING_INTERVAL": 0, "PONG_TIMEOUT": 8}).limits.ping_interval_seconds == 0


def test_a_publication_must_not_make_every_client_slow() -> None:
    text = refusal_of({"MAX_PUBLICATION_BYTES": 2_000_000})

    assert text == (
        "REALTIME['SLOW_CLIENT_BYTES'] is 1048576, less than one publication may have (2000000 bytes); "
        "make it larger."
    )


def test_public_keys_are_read_and_bound_to_their_type() -> None:
    settings = parse_settings(
        {
            "TOKEN_RSA_PUBLIC_KEY": public_pem(rsa_key()),
            "TOKEN_ECDSA_PUBLIC_KEY": public_pem(ec_key()),
            "TOKEN_JWKS_URL": "https://id.example.com/keys",
        }
    )

    assert settings.token_rsa_public_key is not None
    assert settings.token_ecdsa_public_key is not None
    assert settings.token_jwks_url == "https://id.example.com/keys"
    assert parse_settings({"TOKEN_RSA_PUBLIC_KEY": ""}).token_rsa_public_key is None


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("TOKEN_RSA_PUBLIC_KEY", public_pem(ec_key()), "expected a public RSA key"),
        ("TOKEN_ECDSA_PUBLIC_KEY", public_pem(rsa_key()), "expected a public EC key"),
        ("TOKEN_RSA_PUBLIC_KEY", private_pem(rsa_key()), "not a public key in PEM"),
        ("TOKEN_RSA_PUBLIC_KEY", 5, "expected a text"),
        ("TOKEN_JWKS_URL", "http://id.example.com/keys", "expected https"),
        ("TOKEN_LEEWAY", -1, "at least 0"),
    ],
)
def test_keys_of_the_wrong_type_are_refused_and_not_shown(key: str, value: object, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as caught:
        parse_settings({key: value})

    assert "MII" not in str(caught.value)
