"""The settings modules: production is strict, and a project of one's own may build on them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from channels.routing import get_default_application
from django.db import connection

from project.asgi import application
from project.settings import base

ROOT = Path(__file__).resolve().parents[2]

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "project.settings.prod",
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "REALTIME_TOKEN_HMAC_SECRET": "0123456789-abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "chat.example,www.chat.example",
}

SHOW = """
import json, django
from django.conf import settings
django.setup()
print(json.dumps({name: getattr(settings, name) for name in %r}, default=str))
"""


def read_settings(*names: str, env: dict[str, str], path: Path | None = None) -> dict[str, Any]:
    """What a process of its own sees under `env`."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW % (names,)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path or ''}", **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout)
    return values


def test_a_module_outside_of_the_project_may_add_namespaces(tmp_path: Path) -> None:
    (tmp_path / "my_settings.py").write_text(
        "from project.settings.dev import *\n"
        "REALTIME = {**REALTIME, 'NAMESPACES': {'news': {'history_size': 10, 'history_ttl': 60}}}\n"
    )

    settings = read_settings(
        "REALTIME", "DEBUG", env={"DJANGO_SETTINGS_MODULE": "my_settings"}, path=tmp_path
    )

    assert settings["REALTIME"]["NAMESPACES"] == {"news": {"history_size": 10, "history_ttl": 60}}
    assert settings["REALTIME"]["PING_INTERVAL"] == 25
    assert settings["DEBUG"] is True


def check_my_settings(folder: Path) -> "subprocess.CompletedProcess[str]":
    """`manage.py check` with the module my_settings in `folder`."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "my_settings"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_module_outside_of_the_project_may_replace_everything(tmp_path: Path) -> None:
    (tmp_path / "my_settings.py").write_text(
        "from project.settings.dev import *\n"
        "REALTIME = {'TOKEN_HMAC_SECRET': 'secret', 'NAMESPACES': {'': {'presence': True}}}\n"
    )

    done = check_my_settings(tmp_path)

    assert done.returncode == 0, done.stderr


def test_a_module_outside_of_the_project_with_a_bad_option_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my_settings.py").write_text(
        "from project.settings.dev import *\n"
        "REALTIME = {**REALTIME, 'NAMESPACES': {'news': {'histroy_size': 10}}}\n"
    )

    done = check_my_settings(tmp_path)

    assert done.returncode == 1
    assert "did you mean 'history_size'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "names", "allowed"),
    [
        ("", "", []),
        ("127.0.0.1", "", []),
        ("0.0.0.0", "", ["*"]),  # noqa: S104 -- a value to read, nothing listens there
        ("0.0.0.0", "my.example", ["my.example"]),  # noqa: S104 -- likewise
    ],
)
def test_development_answers_to_this_machine_or_to_whoever_it_is_served_to(
    host: str, names: str, allowed: list[str]
) -> None:
    settings = read_settings(
        "ALLOWED_HOSTS",
        env={"DJANGO_SETTINGS_MODULE": "project.settings.dev", "HOST": host, "ALLOWED_HOSTS": names},
    )

    assert settings["ALLOWED_HOSTS"] == allowed


def test_production_is_strict() -> None:
    settings = read_settings(
        "DEBUG",
        "ALLOWED_HOSTS",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_HTTPONLY",
        "CSRF_COOKIE_HTTPONLY",
        "SECURE_PROXY_SSL_HEADER",
        env=PRODUCTION,
    )

    assert settings == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["chat.example", "www.chat.example"],
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_HTTPONLY": True,
        "SECURE_PROXY_SSL_HEADER": None,
    }


def test_production_on_plain_http_can_be_told_so() -> None:
    settings = read_settings(
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SESSION_COOKIE_NAME",
        env={**PRODUCTION, "HTTPS_ONLY": "off"},
    )

    # No browser takes a cookie named __Host-… over plain HTTP.
    assert settings == {
        "SECURE_SSL_REDIRECT": False,
        "SECURE_HSTS_SECONDS": 0,
        "SESSION_COOKIE_NAME": "sessionid",
    }


@pytest.mark.parametrize("name", ["SECRET_KEY", "REALTIME_TOKEN_HMAC_SECRET", "ALLOWED_HOSTS"])
def test_production_has_no_defaults_for_what_must_be_chosen(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, **PRODUCTION, name: ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"manage.py: {name} is not set.")
    assert done.stderr.count("\n") == 1


def test_sqlite_waits_for_its_lock_at_the_beginning_of_a_transaction() -> None:
    options = base.database("")["OPTIONS"]

    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] > 0


@pytest.mark.django_db
def test_sqlite_runs_with_wal_and_foreign_keys() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            pragmas = [
                cursor.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "foreign_keys", "synchronous")
            ]
        assert pragmas == ["wal", 1, 1]


def test_postgresql_gets_a_pool() -> None:
    database = base.database("postgres://user:secret@db.example:5433/name")

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "name")
    assert database["OPTIONS"]["pool"]["max_size"] == 10
    assert database["CONN_MAX_AGE"] == 0


def test_without_redis_one_process_has_the_topics() -> None:
    settings = read_settings(
        "CHANNEL_LAYERS", env={"DJANGO_SETTINGS_MODULE": "project.settings.dev", "REDIS_URL": ""}
    )

    assert settings["CHANNEL_LAYERS"] == {"default": {"BACKEND": "realtime.layers.memory.MemoryTopicLayer"}}


def test_redis_gets_the_topics_where_it_has_a_url() -> None:
    env = {"REDIS_URL": "redis://a:6379/0,rediss://:secret@b", "REDIS_PREFIX": "mine"}

    settings = read_settings("CHANNEL_LAYERS", env={"DJANGO_SETTINGS_MODULE": "project.settings.dev", **env})

    assert settings["CHANNEL_LAYERS"] == {
        "default": {
            "BACKEND": "realtime.layers.redis.RedisTopicLayer",
            "CONFIG": {"hosts": ["redis://a:6379/0", "rediss://:secret@b"], "prefix": "mine"},
        }
    }


def test_runserver_finds_the_application() -> None:
    assert get_default_application() is application
