"""Every environment variable that Switchboard reads: its type, default and meaning, in one table.

The settings modules take their values from here, and README's table is made of it
(`python -m project.settings.environment README.md` rewrites the table in that file).
It is not where values are judged: a number's range and what contradicts what is the engine's to say.
"""

import difflib
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

TABLE_START = "<!-- environment:start -->"
TABLE_END = "<!-- environment:end -->"


class BadEnvironment(ImproperlyConfigured):
    """A variable is missing or cannot be read. The operator's fault; the text is one line."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A type of value: how it is read and how it is named to people."""

    name: str
    parse: Callable[[str], T]
    expected: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Variable(Generic[T]):
    """One environment variable. Unset and empty mean the same: the default."""

    name: str
    kind: Kind[T]
    default: T
    description: str
    # What the table shows where the default itself would say nothing.
    default_text: str = ""

    def read(self, environ: Mapping[str, str] = os.environ) -> T:
        """Raises BadEnvironment where the text is not a value of this kind."""
        text = environ.get(self.name, "").strip()
        if not text:
            return self.default
        try:
            return self.kind.parse(text)
        except ValueError:
            shown = "set to something" if self.kind.is_secret else repr(text)
            raise BadEnvironment(
                f"{self.name} is {shown}, which is not {self.kind.expected}. "
                f"Set it to {self.kind.expected}, or unset it to get {self.shown_default()}."
            ) from None

    def read_required(self, environ: Mapping[str, str] = os.environ) -> T:
        """As `read`, but raises BadEnvironment where the variable is not set."""
        if not environ.get(self.name, "").strip():
            raise BadEnvironment(
                f"{self.name} is not set. Production needs it: {self.description} "
                f"Set it to {self.kind.expected} and start again."
            )
        return self.read(environ)

    def shown_default(self) -> str:
        if self.default_text:
            return self.default_text
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        return f"{self.default}" if self.default or self.default == 0 else "nothing"


def _parse_boolean(text: str) -> bool:
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError(text)


def _parse_number(text: str) -> int | float:
    value = float(text)
    # Neither NaN nor infinity is a duration.
    if not math.isfinite(value):
        raise ValueError(text)
    return int(value) if value.is_integer() else value


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def _parse_pem(text: str) -> str:
    """A file's lines, or one line with `\\n` where they end: not every tool can put lines into a variable."""
    lines = text.replace("\\n", "\n").strip()
    if not lines.startswith("-----BEGIN "):
        raise ValueError(text)
    return lines


def _parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part) for part in _parse_list(text))


def _parse_log_level(text: str) -> str:
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError(text)
    return text.upper()


def _parse_long_secret(text: str) -> str:
    # RFC 7518, section 3.2: a key for HS256 has at least the hash's 256 bits.
    if len(text.encode()) < 32:
        raise ValueError(text)
    return text


def _parse_redis_urls(text: str) -> tuple[str, ...]:
    """As redis-py reads them, but without its leniency: it takes what it cannot read for its defaults."""
    urls = _parse_list(text)
    for url in urls:
        parts = urlsplit(url)
        # A character of the password that has a meaning in URLs ends up here, too: as a port that
        # is no number, or, with a comma, as a second URL that has no scheme.
        match parts.scheme:
            case "redis" | "rediss":
                database = parts.path.removeprefix("/")
                # Asking for the port is what raises ValueError.
                is_whole = parts.port != 0 and (not database or database.isdecimal()) and not parts.fragment
            case "unix":
                is_whole = parts.path.startswith("/") and not parts.fragment
            case _:
                is_whole = False
        if not is_whole:
            raise ValueError
    return urls


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A way to send e-mail. `security` is "", "starttls" or "tls"."""

    backend: str
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    security: str = ""


_EMAIL_SCHEMES = {"smtp": ("", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}


def _parse_email_url(text: str) -> Email:
    parts = urlsplit(text)
    if parts.scheme == "console":
        return Email(backend="console")
    if parts.scheme not in _EMAIL_SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError
    security, port = _EMAIL_SCHEMES[parts.scheme]
    return Email(
        backend="smtp",
        host=parts.hostname,
        port=parts.port or port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        security=security,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcProvider:
    """An OpenID Connect provider that people may sign in with."""

    id: str
    name: str
    server_url: str
    client_id: str
    secret: str = ""


def _parse_oidc_providers(text: str) -> tuple[OidcProvider, ...]:
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise ValueError
    try:
        providers = tuple(OidcProvider(**entry) for entry in entries)
    except TypeError:
        raise ValueError from None
    for provider in providers:
        values: list[object] = [provider.id, provider.name, provider.server_url, provider.client_id]
        if not all(isinstance(value, str) and value for value in [*values, provider.secret or "none"]):
            raise ValueError
        if not provider.id.isidentifier() or not provider.server_url.startswith(("https://", "http://")):
            raise ValueError
    if len({provider.id for provider in providers}) != len(providers):
        raise ValueError
    return providers


TEXT = Kind("text", str, "a text")
SECRET = Kind("secret", _parse_long_secret, "a random text of at least 32 characters", is_secret=True)
BOOLEAN = Kind("on/off", _parse_boolean, "on or off")
WHOLE = Kind("number", int, "a whole number")
SECONDS = Kind("seconds", _parse_number, "a number of seconds")
PEM = Kind("PEM", _parse_pem, "a public key in PEM, its lines separated by \\n", is_secret=True)
RATE = Kind("rate", str, "a rate such as 100/s or 30/m:50, or off")
LIST = Kind("list", _parse_list, "a list separated by commas")
REDIS_URLS = Kind(
    "URLs",
    _parse_redis_urls,
    "a URL such as redis://:password@host:6379/0, or several separated by commas "
    "(rediss:// and unix:// too; in a password write , / # ? as %2C %2F %23 %3F)",
    is_secret=True,
)
EMAIL_URL_KIND: Kind[Email | None] = Kind(
    "URL",
    _parse_email_url,
    "a URL such as smtp+starttls://user:password@host:587 (smtps:// for TLS from the start, smtp:// "
    "without, console: to print; in a password write / # ? @ as %2F %23 %3F %40)",
    is_secret=True,
)
OIDC = Kind(
    "JSON",
    _parse_oidc_providers,
    'a JSON list such as [{"id": "acme", "name": "Acme", "server_url": "https://login.example.com", '
    '"client_id": "…", "secret": "…"}], each id a word of its own',
    is_secret=True,
)
NETWORKS = Kind("networks", _parse_networks, "a list of addresses and networks such as 127.0.0.1,10.0.0.0/8")
LEVEL = Kind("level", _parse_log_level, "one of DEBUG, INFO, WARNING, ERROR, CRITICAL")

_NONE: tuple[str, ...] = ()

HOST = Variable("HOST", TEXT, "127.0.0.1", "Address that `make run` serves on.")
PORT = Variable("PORT", WHOLE, 8000, "Port that `make run` serves on.")
WORKERS = Variable(
    "WORKERS", WHOLE, 1, "Processes that `make run` serves with; more than one need `REDIS_URL`."
)
SECRET_KEY = Variable(
    "SECRET_KEY", SECRET, "", "Signs Django's sessions. Required in production.", "a fixed one in development"
)
ALLOWED_HOSTS = Variable(
    "ALLOWED_HOSTS",
    LIST,
    _NONE,
    "Host names that the site answers to. Required in production.",
    "this machine, in development",
)
CSRF_TRUSTED_ORIGINS = Variable(
    "CSRF_TRUSTED_ORIGINS",
    LIST,
    _NONE,
    "Origins, with scheme, that may post to the site besides its own.",
)
DATABASE_URL = Variable(
    "DATABASE_URL",
    TEXT,
    "",
    "The database, such as `postgres://user:password@host:5432/name`.",
    "`db.sqlite3` in the project",
)
DATABASE_POOL_SIZE = Variable(
    "DATABASE_POOL_SIZE", WHOLE, 10, "Most PostgreSQL connections that one process holds."
)
DATABASE_STATEMENT_TIMEOUT = Variable(
    "DATABASE_STATEMENT_TIMEOUT",
    SECONDS,
    30,
    "How long PostgreSQL may take for a statement; 0 for no limit, as a long migration may need it.",
)
REDIS_URL = Variable(
    "REDIS_URL",
    REDIS_URLS,
    _NONE,
    "Redis or Valkey for several processes, such as `redis://:password@host:6379/0`; "
    "several, separated by commas, share the topics among them.",
    "the memory of one process",
)
REDIS_PREFIX = Variable(
    "REDIS_PREFIX", TEXT, "switchboard", "What the names of all keys and channels in Redis begin with."
)
EMAIL_URL: Variable[Email | None] = Variable(
    "EMAIL_URL",
    EMAIL_URL_KIND,
    None,
    "Where e-mail is handed in, such as `smtp+starttls://user:password@host:587`. In production, "
    "addresses must then be confirmed before anybody signs in with them.",
    "printed in development, not sent in production",
)
EMAIL_FROM = Variable(
    "EMAIL_FROM", TEXT, "Switchboard <switchboard@localhost>", "The sender of the e-mail that accounts get."
)
SIGN_UP = Variable(
    "SIGN_UP", BOOLEAN, default=True, description="Let strangers create accounts for themselves."
)
OIDC_PROVIDERS: Variable[tuple[OidcProvider, ...]] = Variable(
    "OIDC_PROVIDERS",
    OIDC,
    (),
    "OpenID Connect providers that people may sign in with: see [Accounts](#accounts).",
)
REQUEST_HEAD_TIMEOUT = Variable(
    "REQUEST_HEAD_TIMEOUT",
    SECONDS,
    10,
    "How long a client of `manage.py serve` may take to ask: from connecting to the last header; 0 for "
    "no limit.",
)
REQUEST_BODY_TIMEOUT = Variable(
    "REQUEST_BODY_TIMEOUT",
    SECONDS,
    60,
    "How long it may take to send the request's body after that; 0 for no limit.",
)
MAX_BODY_BYTES = Variable("MAX_BODY_BYTES", WHOLE, 1_048_576, "Largest body of an HTTP request.")
TRUSTED_PROXIES: Variable[tuple[IPv4Network | IPv6Network, ...]] = Variable(
    "TRUSTED_PROXIES",
    NETWORKS,
    (),
    "Addresses and networks of the proxies before the server, such as `10.0.0.0/8`. Only what these say "
    "in `X-Forwarded-For` and `X-Forwarded-Proto` is believed.",
)
HTTPS_ONLY = Variable(
    "HTTPS_ONLY",
    BOOLEAN,
    default=True,
    description="In production: send browsers to HTTPS, mark cookies secure, announce HSTS.",
)
HSTS_SECONDS = Variable(
    "HSTS_SECONDS", WHOLE, 31_536_000, "In production: how long browsers remember to use HTTPS only."
)
LOG_LEVEL = Variable("LOG_LEVEL", LEVEL, "INFO", "Least severe log messages that are shown.")

REALTIME_PREFIX = "REALTIME_"
TOKEN_HMAC_SECRET = Variable(
    "REALTIME_TOKEN_HMAC_SECRET",
    SECRET,
    "",
    "Signs connection and subscription tokens (HS256). Required in production.",
    "a fixed one in development",
)
# Each becomes the key of settings.REALTIME that its name has after the prefix.
REALTIME: tuple[Variable[Any], ...] = (
    TOKEN_HMAC_SECRET,
    Variable("REALTIME_TOKEN_AUDIENCE", TEXT, "", "What tokens must have as `aud`, where it is set."),
    Variable("REALTIME_TOKEN_ISSUER", TEXT, "", "What tokens must have as `iss`, where it is set."),
    Variable("REALTIME_TOKEN_LEEWAY", SECONDS, 1, "How far the clock of who signs tokens may be off."),
    Variable(
        "REALTIME_TOKEN_RSA_PUBLIC_KEY", PEM, "", "Verifies tokens signed by RS256, RS384 or RS512 elsewhere."
    ),
    Variable(
        "REALTIME_TOKEN_ECDSA_PUBLIC_KEY",
        PEM,
        "",
        "Verifies tokens signed by ES256, ES384 or ES512 elsewhere.",
    ),
    Variable(
        "REALTIME_TOKEN_JWKS_URL",
        TEXT,
        "",
        "Where an identity provider publishes its keys (JWKS), for tokens that name one (`kid`); https only.",
    ),
    Variable(
        "REALTIME_ALLOWED_ORIGINS",
        LIST,
        _NONE,
        "Origins of pages that may open WebSockets, besides the site's own; `*` for any.",
    ),
    Variable(
        "REALTIME_API_KEYS",
        LIST,
        _NONE,
        "Keys with which servers may do everything; rather make keys with `manage.py apikey create`.",
    ),
    Variable(
        "REALTIME_API_MAX_BODY_BYTES",
        WHOLE,
        1_048_576,
        "Largest body of a request of the server API; at most `MAX_BODY_BYTES`.",
    ),
    Variable(
        "REALTIME_SUBSCRIBE_TO_PERSONAL_TOPIC",
        BOOLEAN,
        default=False,
        description="Subscribe each user to the topic of their own, `#<user id>`.",
    ),
    Variable(
        "REALTIME_ALLOW_COOKIE_CONNECT",
        BOOLEAN,
        default=True,
        description="Let pages of allowed origins connect by Django's session cookie, without a token.",
    ),
    Variable(
        "REALTIME_ALLOW_ANONYMOUS_CONNECT",
        BOOLEAN,
        default=False,
        description="Let clients connect without a token; the namespaces say what they may do.",
    ),
    Variable(
        "REALTIME_INSECURE_CLIENT",
        BOOLEAN,
        default=False,
        description="Tests and demos only: no token needed, everything allowed to clients.",
    ),
    Variable("REALTIME_PING_INTERVAL", SECONDS, 25, "How often the server pings a connection."),
    Variable("REALTIME_PONG_TIMEOUT", SECONDS, 8, "How long a client may take to answer a ping."),
    Variable("REALTIME_CONNECT_TIMEOUT", SECONDS, 10, "How long a new socket may take to connect."),
    Variable("REALTIME_EXPIRY_GRACE", SECONDS, 25, "How long an expired token may take to be refreshed."),
    Variable(
        "REALTIME_LOGIN_CHECK_INTERVAL",
        SECONDS,
        300,
        "How often a connection looks up whether its login still stands, should it not be told; 0 for never.",
    ),
    Variable("REALTIME_MAX_MESSAGE_BYTES", WHOLE, 65_536, "Largest message that a client may send."),
    Variable("REALTIME_MAX_PUBLICATION_BYTES", WHOLE, 65_536, "Largest publication, whoever publishes it."),
    Variable(
        "REALTIME_MAX_TOPICS_PER_CONNECTION", WHOLE, 128, "Most topics that one connection subscribes to."
    ),
    Variable("REALTIME_MAX_CONNECTIONS", WHOLE, 0, "Most connections of one process; 0 for no limit."),
    Variable(
        "REALTIME_MAX_CONNECTIONS_PER_USER",
        WHOLE,
        0,
        "Most connections of one user to one process; 0 for no limit.",
    ),
    Variable(
        "REALTIME_RATE_CONNECT_PER_IP",
        RATE,
        "100/s:2000",
        "Connections opened from one IP address (IPv6: one /64): how many per s, m, h or d, and how many "
        "at once; `off` for no limit.",
    ),
    Variable("REALTIME_RATE_CONNECT_PER_USER", RATE, "10/s:300", "Connections opened by one user."),
    Variable("REALTIME_RATE_PUBLISH_PER_CONNECTION", RATE, "100/s:1000", "Publications of one connection."),
    Variable("REALTIME_RATE_PUBLISH_PER_USER", RATE, "200/s:2000", "Publications of one user."),
    Variable("REALTIME_RATE_RPC_PER_CONNECTION", RATE, "50/s:500", "Calls of functions by one connection."),
    Variable("REALTIME_RATE_RPC_PER_USER", RATE, "100/s:1000", "Calls of functions by one user."),
    Variable(
        "REALTIME_RATE_COMMANDS_PER_CONNECTION",
        RATE,
        "200/s:2000",
        "Commands of one connection, of whatever kind.",
    ),
    Variable(
        "REALTIME_RATE_HTTP_PER_IP", RATE, "100/s:2000", "API requests from one IP address, without API key."
    ),
    Variable("REALTIME_RATE_HTTP_PER_USER", RATE, "50/s:500", "API requests of one signed-in user."),
    Variable("REALTIME_RATE_HTTP_PER_API_KEY", RATE, "2000/s:10000", "API requests with one API key."),
    Variable(
        "REALTIME_SLOW_CLIENT_BYTES",
        WHOLE,
        1_048_576,
        "Bytes that may wait for a client before it counts as slow.",
    ),
    Variable("REALTIME_HOOK_THREADS", WHOLE, 4, "Threads for rules and hooks that use the database."),
    Variable(
        "REALTIME_OUTBOX_RELAY",
        BOOLEAN,
        default=True,
        description="Publish from this process what transactions left; off where `manage.py relay` does.",
    ),
    Variable(
        "REALTIME_PRESENCE_LEASE",
        SECONDS,
        15,
        "With Redis: how long after a process was killed its clients are gone from presence at the latest.",
    ),
    Variable(
        "REALTIME_POSITION_CHECK_INTERVAL",
        SECONDS,
        30,
        "With Redis: how often a silent topic is held against its log, in case that its news were lost.",
    ),
    Variable(
        "REALTIME_SHUTDOWN_DELAY",
        SECONDS,
        1,
        "How long a stopping server fails its readiness before it closes connections.",
    ),
    Variable("REALTIME_SHUTDOWN_SPREAD", SECONDS, 5, "How long a stopping server spreads the closing over."),
    Variable(
        "REALTIME_NODE_NAME",
        TEXT,
        "",
        "What this machine is called in the list of server processes; empty for its host name.",
    ),
    Variable(
        "REALTIME_NODE_ANNOUNCE_INTERVAL",
        SECONDS,
        3,
        "How often a server process announces itself; after three times that in silence it counts as gone.",
    ),
)

VARIABLES: tuple[Variable[Any], ...] = (
    HOST,
    PORT,
    WORKERS,
    SECRET_KEY,
    ALLOWED_HOSTS,
    CSRF_TRUSTED_ORIGINS,
    DATABASE_URL,
    DATABASE_POOL_SIZE,
    DATABASE_STATEMENT_TIMEOUT,
    REDIS_URL,
    REDIS_PREFIX,
    EMAIL_URL,
    EMAIL_FROM,
    SIGN_UP,
    OIDC_PROVIDERS,
    REQUEST_HEAD_TIMEOUT,
    REQUEST_BODY_TIMEOUT,
    MAX_BODY_BYTES,
    TRUSTED_PROXIES,
    HTTPS_ONLY,
    HSTS_SECONDS,
    LOG_LEVEL,
    *REALTIME,
)


def read_realtime(environ: Mapping[str, str] = os.environ) -> dict[str, object]:
    """What settings.REALTIME starts with. Raises BadEnvironment, also for a REALTIME_ name nobody reads."""
    known = [variable.name for variable in REALTIME]
    for name in environ:
        if name.startswith(REALTIME_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "README.md lists the names."
            raise BadEnvironment(f"{name} is set, but nothing reads it. {hint}")
    return {
        variable.name.removeprefix(REALTIME_PREFIX): list(value) if isinstance(value, tuple) else value
        for variable in REALTIME
        for value in [variable.read(environ)]
    }


def render_table() -> str:
    """The variables as a Markdown table."""
    rows = [
        f"| `{variable.name}` | {variable.kind.name} | {variable.shown_default()} | {variable.description} |"
        for variable in VARIABLES
    ]
    return "\n".join(["| Variable | Type | Default | Meaning |", "|---|---|---|---|", *rows])


def replace_table(document: str) -> str:
    """`document` with a fresh table between its two markers. Raises ValueError where one is missing."""
    before, start, rest = document.partition(TABLE_START)
    _, end, after = rest.partition(TABLE_END)
    if not start or not end:
        raise ValueError(f"expected the lines {TABLE_START} and {TABLE_END} around the table")
    return f"{before}{TABLE_START}\n{render_table()}\n{TABLE_END}{after}"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(replace_table(path.read_text()))
