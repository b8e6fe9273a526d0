"""What all environments share. It is not usable alone: start from dev, prod or test."""

import logging
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dj_database_url
import django_stubs_ext

from project.security_headers import DIRECTIVES
from project.settings import environment
from project.settings.accounts import *

# Generic classes such as ModelAdmin[Room] can be written before any app is loaded.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent.parent
FRONTEND_DIST = BASE_DIR / "frontend" / "dist"

INSTALLED_APPS = [
    # First: it replaces runserver by one that speaks WebSocket. It brings Twisted, which no worker of
    # `serve` needs to load and to hold.
    *(["daphne"] if "runserver" in sys.argv else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_vite",
    "ninja",  # Serves the pages of /api/docs from this machine.
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "realtime",
    "realtime.features.audit",
    "realtime.features.chat",
    "api",
    "project.accounts",
    "project",  # Brings the command that serves all of it.
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "project.security_headers.SecurityHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.static.StaticFilesMiddleware",
    "realtime.features.audit.middleware.AuditMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "project.accounts.app_session.AppSessionMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "project.accounts.away.AwayMiddleware",
]

ROOT_URLCONF = "project.urls"
# With a dot: runserver, which daphne replaces, splits it there.
ASGI_APPLICATION = "project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Topics -------------------------------------------------------------------------------------

# The engine checks these and holds the defaults. Namespaces that no feature brings go under
# "NAMESPACES", in a settings module of your own.
REALTIME: dict[str, Any] = environment.read_realtime()


def channel_layer(redis_urls: Sequence[str]) -> dict[str, Any]:
    """The entry of CHANNEL_LAYERS: Redis where it has a URL, else the memory of one process."""
    if not redis_urls:
        return {"BACKEND": "realtime.layers.memory.MemoryTopicLayer"}
    return {
        "BACKEND": "realtime.layers.redis.RedisTopicLayer",
        "CONFIG": {"hosts": list(redis_urls), "prefix": environment.REDIS_PREFIX.read()},
    }


CHANNEL_LAYERS: dict[str, Any] = {"default": channel_layer(environment.REDIS_URL.read())}


def cache(redis_urls: Sequence[str]) -> dict[str, Any]:
    """The entry of CACHES, where wrong passwords are counted: Redis where it has a URL."""
    if not redis_urls:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    # One, since Django would take further ones for its replicas.
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_urls[0],
        "KEY_PREFIX": f"{environment.REDIS_PREFIX.read()}:cache",
        # Somebody waits to be signed in.
        "OPTIONS": {"socket_timeout": 3, "socket_connect_timeout": 3},
    }


CACHES = {"default": cache(environment.REDIS_URL.read())}

# --- The database -------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """The entry of DATABASES for `url`: an empty one is SQLite in the project's folder."""
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))
    except ValueError as error:
        raise environment.BadEnvironment(
            f"DATABASE_URL cannot be read: {error}. "
            "Set it to a URL such as postgres://user:password@host:5432/name, or unset it to use SQLite."
        ) from None
    options = config.setdefault("OPTIONS", {})
    match config["ENGINE"]:
        case "django.db.backends.sqlite3":
            options |= {
                # A transaction takes the write lock when it begins. One that begins as a reader
                # and then writes fails at once when another has written, however long the timeout.
                "transaction_mode": "IMMEDIATE",
                "timeout": 10,
                # NORMAL syncs at checkpoints only; with WAL that may lose the last transactions
                # in a power cut, never the database.
                # The log of a busy hour need not stay on the disk for good.
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                    "PRAGMA journal_size_limit=67108864;"
                ),
            }
        case "django.db.backends.postgresql":
            pool_size = environment.DATABASE_POOL_SIZE.read()
            # The pool checks what it hands out; psycopg_pool's own default of 30 s would keep a
            # browser waiting for longer than a person does.
            options["pool"] = {"min_size": 1, "max_size": max(1, pool_size), "timeout": 10}
            # What the URL says of these goes first.
            options.setdefault("connect_timeout", 10)
            # A database that vanished without a word is noticed, and not waited for a quarter of an hour.
            options.setdefault("tcp_user_timeout", 30_000)
            options.setdefault("options", " ".join(f"-c {each}" for each in _postgresql_limits()))
        case _:
            pass
    return config


def _postgresql_limits() -> list[str]:
    """So that no statement, lock or forgotten transaction holds up everybody else for long."""
    seconds = environment.DATABASE_STATEMENT_TIMEOUT.read()
    return [
        f"statement_timeout={round(seconds * 1000)}",
        # Less than a statement may take: then the error says that it was the lock.
        f"lock_timeout={round(min(seconds or 10, 10) * 1000)}",
        "idle_in_transaction_session_timeout=60000",
    ]


DATABASES = {"default": database(environment.DATABASE_URL.read())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Accounts -----------------------------------------------------------------------------------

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# The API hands the token out in its answers; no script need read the cookie.
CSRF_COOKIE_HTTPONLY = True
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.report_filter.ReportFilter"
CSRF_FAILURE_VIEW = "api.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = list(environment.CSRF_TRUSTED_ORIGINS.read())

# --- HTTP ---------------------------------------------------------------------------------------

# As much as a WebSocket message may carry by default.
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": DIRECTIVES}
SESSION_COOKIE_HTTPONLY = True
# Lax, not Strict: who follows a link to a room from an e-mail is signed in there.
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# They are for the site's own pages.
WHITENOISE_ALLOW_ALL_ORIGINS = False
# Before the frontend is built there is no such folder, and Django warns about missing ones.
STATICFILES_DIRS = [FRONTEND_DIST] if FRONTEND_DIST.is_dir() else []
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "manifest_path": FRONTEND_DIST / ".vite" / "manifest.json",
    },
}

# --- Language and time --------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- Logs ---------------------------------------------------------------------------------------


def is_unforeseen(record: logging.LogRecord) -> bool:
    """A view that answers 503 does so on purpose; load balancers ask every second why."""
    return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "unforeseen": {"()": "django.utils.log.CallbackFilter", "callback": is_unforeseen},
    },
    "formatters": {
        "line": {
            "()": "project.redaction.RedactingFormatter",
            "fmt": "{asctime} {levelname:<7} {name}: {message}",
            "style": "{",
        },
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": environment.LOG_LEVEL.read()},
    "loggers": {
        # Django's own handlers would write each of its lines a second time, or send e-mail.
        "django": {"handlers": [], "propagate": True},
        # It says two things of every socket that opens; what is wrong it says as a warning.
        "uvicorn.error": {"level": "WARNING"},
        # A line per request is the access log's to write.
        "django.request": {"level": "ERROR", "filters": ["unforeseen"]},
    },
}
