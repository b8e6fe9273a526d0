"""The only reader of Django's settings: REALTIME, checked and typed. Defaults live in Limits and here."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase

from realtime.errors import ConfigurationError
from realtime.keys.download import check_url
from realtime.keys.key import ECDSA_ALGORITHMS, RSA_ALGORITHMS, VerifyingKey, parse_pem
from realtime.limits import Limits
from realtime.rate_limits.rate import EXPECTED as EXPECTED_RATE
from realtime.rate_limits.rate import Rate
from realtime.rate_limits.rates import Rates
from realtime.topics.namespace import Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What REALTIME says, each value of the right type and in range."""

    token_hmac_secret: str = ""
    token_audience: str = ""
    token_issuer: str = ""
    token_leeway_seconds: float = 1
    token_rsa_public_key: VerifyingKey | None = None
    token_ecdsa_public_key: VerifyingKey | None = None
    # "": no provider publishes keys.
    token_jwks_url: str = ""
    # Of pages, besides those that come from the host that they connect to.
    allowed_origins: tuple[str, ...] = ()
    api_keys: tuple[str, ...] = ()
    subscribe_to_personal_topic: bool = False
    allow_cookie_connect: bool = True
    allow_anonymous_connect: bool = False
    insecure_client: bool = False
    namespaces: tuple[Namespace, ...] = ()
    limits: Limits = field(default_factory=Limits)
    rates: Rates = field(default_factory=Rates)
    max_publication_bytes: int = 65_536
    api_max_body_bytes: int = 1_048_576
    hook_threads: int = 4
    outbox_relay: bool = True
    presence_lease_seconds: float = 15
    position_check_seconds: float = 30
    shutdown_delay_seconds: float = 1
    shutdown_spread_seconds: float = 5
    # "": the machine's own.
    node_name: str = ""
    node_announce_interval_seconds: float = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the checks of production look at in Django's own settings."""

    is_production: bool
    is_debug: bool
    secret_key: str
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]


def load_site() -> Site:
    return Site(
        # project.settings.prod says so, and whatever is built on it.
        is_production=bool(getattr(django_settings, "IS_PRODUCTION", False)),
        is_debug=is_debug(),
        secret_key=str(django_settings.SECRET_KEY),
        allowed_hosts=tuple(django_settings.ALLOWED_HOSTS),
        csrf_trusted_origins=tuple(django_settings.CSRF_TRUSTED_ORIGINS),
    )


def load_settings() -> Settings:
    """Raises ConfigurationError for the first thing that is wrong."""
    return parse_settings(getattr(django_settings, "REALTIME", {}))


@dataclass(frozen=True, slots=True)
class SiteLogins:
    """How the site keeps its logins: Django's own settings, as far as connections need them."""

    # The session engine's SessionStore.
    store: type[SessionBase]
    cookie_name: str
    cookie_needs_https: bool
    authentication_backends: tuple[str, ...]
    # The first seals, all of them unseal.
    secret_keys: tuple[str | bytes, ...] = field(repr=False)


def load_site_logins() -> SiteLogins:
    return SiteLogins(
        store=import_module(django_settings.SESSION_ENGINE).SessionStore,
        cookie_name=django_settings.SESSION_COOKIE_NAME,
        cookie_needs_https=django_settings.SESSION_COOKIE_SECURE,
        authentication_backends=tuple(django_settings.AUTHENTICATION_BACKENDS),
        secret_keys=(django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS),
    )


def is_debug() -> bool:
    return bool(django_settings.DEBUG)


def parse_settings(realtime: Any) -> Settings:
    """Pure: from the dict to Settings. Raises ConfigurationError."""
    if not isinstance(realtime, Mapping):
        raise ConfigurationError(f"REALTIME is of type {type(realtime).__name__}, expected a dict.")
    for name in realtime:
        if name not in _KEYS:
            close = difflib.get_close_matches(str(name), _KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(_KEYS))}."
            raise ConfigurationError(f"REALTIME has an unknown key {name!r}; {hint}")
    values = {_KEYS[name][0]: _KEYS[name][1](name, value) for name, value in realtime.items()}
    limits = {name: values.pop(name) for name in list(values) if name in Limits.__dataclass_fields__}
    rates = {name: values.pop(name) for name in list(values) if name in Rates.__dataclass_fields__}
    settings = Settings(**values, limits=Limits(**limits), rates=Rates(**rates))
    _refuse_contradictions(settings)
    return settings


def _refuse_contradictions(settings: Settings) -> None:
    limits = settings.limits
    if 0 < limits.ping_interval_seconds <= limits.pong_timeout_seconds:
        raise ConfigurationError(
            f"REALTIME['PONG_TIMEOUT'] is {limits.pong_timeout_seconds} and PING_INTERVAL is "
            f"{limits.ping_interval_seconds}: a pong must be due before the next ping; "
            "make PONG_TIMEOUT smaller."
        )
    if settings.max_publication_bytes > limits.slow_client_bytes:
        raise ConfigurationError(
            f"REALTIME['SLOW_CLIENT_BYTES'] is {limits.slow_client_bytes}, less than one publication may "
            f"have ({settings.max_publication_bytes} bytes); make it larger."
        )


# ── Readers: one for each kind of value; they raise ConfigurationError ────────────────────────

Reader = Callable[[str, Any], Any]


def _wrong(name: str, value: object, expected: str) -> ConfigurationError:
    return ConfigurationError(f"REALTIME[{name!r}] is {value!r}, expected {expected}.")


def _secret(name: str, value: Any) -> str:
    # Its value must not end up in a log by way of the error's text.
    if not isinstance(value, str):
        raise _wrong(name, type(value).__name__, "a text")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    return value


def _public_key(kind: str, algorithms: frozenset[str]) -> Reader:
    def read(name: str, value: Any) -> VerifyingKey | None:
        text = _secret(name, value).strip()
        if not text:
            return None
        try:
            key = parse_pem(text)
        except ConfigurationError as error:
            raise ConfigurationError(f"REALTIME[{name!r}] is {error}.") from None
        if not key.algorithms <= algorithms:
            raise ConfigurationError(
                f"REALTIME[{name!r}] is a key of another type, expected a public {kind} key."
            )
        return key

    return read


def _jwks_url(name: str, value: Any) -> str:
    url = _secret(name, value).strip()
    try:
        if url:
            check_url(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"REALTIME[{name!r}] is {error}.") from None
    return url


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(each, str) for each in _listed(name, value)):
        raise _wrong(name, value, "a list of texts")
    return tuple(value)


def _secrets(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(each, str) and each for each in _listed(name, value)):
        raise _wrong(name, type(value).__name__, "a list of texts that are not empty")
    return tuple(value)


def _listed(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise _wrong(name, type(value).__name__, "a list")
    return list(value)


def _origins(name: str, value: Any) -> tuple[str, ...]:
    for origin in _texts(name, value):
        if origin != "*" and "://" not in origin:
            raise _wrong(name, value, "origins such as 'https://example.com', 'https://.example.com' or '*'")
    return tuple(value)


def _namespaces(name: str, value: Any) -> tuple[Namespace, ...]:
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
        raise _wrong(name, value, "a dict of dicts: {'news': {'history_size': 100, 'history_ttl': 300}}")
    return tuple(Namespace.from_options(str(key), options) for key, options in value.items())


def _number(unit: str, *, at_least: float, whole: bool) -> Reader:
    kind = "a whole number" if whole else "a number"

    def read(name: str, value: Any) -> Any:
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < at_least:
            raise _wrong(name, value, f"{kind} of {unit}, at least {at_least:g}")
        return value

    return read


def _seconds(at_least: float = 0) -> Reader:
    return _number("seconds", at_least=at_least, whole=False)


def _count(unit: str, at_least: int = 0) -> Reader:
    return _number(unit, at_least=at_least, whole=True)


def _rate(name: str, value: Any) -> Rate | None:
    try:
        return Rate.parse(_text(name, value))
    except ValueError:
        raise _wrong(name, value, EXPECTED_RATE) from None


# Key in REALTIME → field of Settings, Limits or Rates, and how its value is read.
_KEYS: dict[str, tuple[str, Reader]] = {
    "TOKEN_HMAC_SECRET": ("token_hmac_secret", _secret),
    "TOKEN_AUDIENCE": ("token_audience", _text),
    "TOKEN_ISSUER": ("token_issuer", _text),
    "TOKEN_LEEWAY": ("token_leeway_seconds", _seconds()),
    "TOKEN_RSA_PUBLIC_KEY": ("token_rsa_public_key", _public_key("RSA", RSA_ALGORITHMS)),
    "TOKEN_ECDSA_PUBLIC_KEY": ("token_ecdsa_public_key", _public_key("EC", ECDSA_ALGORITHMS)),
    "TOKEN_JWKS_URL": ("token_jwks_url", _jwks_url),
    "ALLOWED_ORIGINS": ("allowed_origins", _origins),
    "API_KEYS": ("api_keys", _secrets),
    "SUBSCRIBE_TO_PERSONAL_TOPIC": ("subscribe_to_personal_topic", _flag),
    "ALLOW_COOKIE_CONNECT": ("allow_cookie_connect", _flag),
    "ALLOW_ANONYMOUS_CONNECT": ("allow_anonymous_connect", _flag),
    "INSECURE_CLIENT": ("insecure_client", _flag),
    "NAMESPACES": ("namespaces", _namespaces),
    "PING_INTERVAL": ("ping_interval_seconds", _seconds()),
    "PONG_TIMEOUT": ("pong_timeout_seconds", _seconds()),
    "CONNECT_TIMEOUT": ("connect_timeout_seconds", _seconds(at_least=0.1)),
    "EXPIRY_GRACE": ("expiry_grace_seconds", _seconds()),
    "LOGIN_CHECK_INTERVAL": ("login_check_seconds", _seconds()),
    "MAX_MESSAGE_BYTES": ("max_message_bytes", _count("bytes", at_least=1024)),
    "API_MAX_BODY_BYTES": ("api_max_body_bytes", _count("bytes", at_least=1024)),
    "MAX_PUBLICATION_BYTES": ("max_publication_bytes", _count("bytes", at_least=1)),
    "MAX_TOPICS_PER_CONNECTION": ("max_topics_per_connection", _count("topics", at_least=1)),
    "MAX_CONNECTIONS": ("max_connections", _count("connections")),
    "MAX_CONNECTIONS_PER_USER": ("max_connections_per_user", _count("connections")),
    "RATE_CONNECT_PER_IP": ("connect_per_ip", _rate),
    "RATE_CONNECT_PER_USER": ("connect_per_user", _rate),
    "RATE_PUBLISH_PER_CONNECTION": ("publish_per_connection", _rate),
    "RATE_PUBLISH_PER_USER": ("publish_per_user", _rate),
    "RATE_RPC_PER_CONNECTION": ("rpc_per_connection", _rate),
    "RATE_RPC_PER_USER": ("rpc_per_user", _rate),
    "RATE_COMMANDS_PER_CONNECTION": ("commands_per_connection", _rate),
    "RATE_HTTP_PER_IP": ("http_per_ip", _rate),
    "RATE_HTTP_PER_USER": ("http_per_user", _rate),
    "RATE_HTTP_PER_API_KEY": ("http_per_api_key", _rate),
    "SLOW_CLIENT_BYTES": ("slow_client_bytes", _count("bytes", at_least=65_536)),
    "HOOK_THREADS": ("hook_threads", _count("threads", at_least=1)),
    "OUTBOX_RELAY": ("outbox_relay", _flag),
    # A process that is held up for two thirds of it loses it, and its members flicker.
    "PRESENCE_LEASE": ("presence_lease_seconds", _seconds(at_least=1)),
    "POSITION_CHECK_INTERVAL": ("position_check_seconds", _seconds(at_least=1)),
    "SHUTDOWN_DELAY": ("shutdown_delay_seconds", _seconds()),
    "SHUTDOWN_SPREAD": ("shutdown_spread_seconds", _seconds()),
    "NODE_NAME": ("node_name", _text),
    "NODE_ANNOUNCE_INTERVAL": ("node_announce_interval_seconds", _seconds(at_least=0.1)),
}
