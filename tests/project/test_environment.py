"""Environment variables: read with their types, refused in one line, listed in README."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project.settings import environment
from project.settings.environment import BadEnvironment
from realtime import conf

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (environment.HTTPS_ONLY, "off", False),
        (environment.HTTPS_ONLY, "TRUE", True),
        (environment.PORT, " 8001 ", 8001),
        (environment.ALLOWED_HOSTS, "a.example, b.example ,", ("a.example", "b.example")),
        (environment.REDIS_URL, "redis://a:6379/0", ("redis://a:6379/0",)),
        (
            environment.REDIS_URL,
            "redis://u:p%2C@a, rediss://b:6380/1?ssl_ca_certs=/ca.pem,unix:///r.sock?db=2",
            ("redis://u:p%2C@a", "rediss://b:6380/1?ssl_ca_certs=/ca.pem", "unix:///r.sock?db=2"),
        ),
        (environment.REDIS_URL, "redis://[::1]:6379", ("redis://[::1]:6379",)),
        (environment.REDIS_URL, "", ()),
        (environment.LOG_LEVEL, "debug", "DEBUG"),
        (environment.LOG_LEVEL, "", "INFO"),
    ],
)
def test_a_value_is_read_with_its_type(variable: environment.Variable[Any], text: str, value: object) -> None:
    assert variable.read({variable.name: text}) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (environment.HTTPS_ONLY, "maybe"),
        (environment.PORT, "8000.5"),
        (environment.LOG_LEVEL, "loud"),
        (environment.SECRET_KEY, "short"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(variable: environment.Variable[Any], text: str) -> None:
    with pytest.raises(BadEnvironment) as refused:
        variable.read({variable.name: text})

    assert str(refused.value).startswith(f"{variable.name} is ")
    assert "Set it to" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "hunter2.example:6379",
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://:hunter2@host/name",
        "redis://:hunt,er2@host",
        "redis://:hunt/er2@host",
        "redis://:hunt#er2@host",
        "unix://hunter2",
        "redis://:hunter2@[::1",
    ],
)
def test_what_is_no_redis_url_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(BadEnvironment) as refused:
        environment.REDIS_URL.read({"REDIS_URL": text})

    assert str(refused.value).startswith("REDIS_URL is set to something, which is not a URL such as redis://")
    assert "er2" not in str(refused.value)
    assert refused.value.__suppress_context__
    assert "\n" not in str(refused.value)


def test_a_bad_secret_is_not_shown() -> None:
    with pytest.raises(BadEnvironment) as refused:
        environment.SECRET_KEY.read({"SECRET_KEY": "hunter2"})

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "soon"])
def test_a_duration_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(BadEnvironment, match="number of seconds"):
        environment.read_realtime({"REALTIME_PING_INTERVAL": text})


def test_durations_may_be_fractions() -> None:
    assert environment.read_realtime({"REALTIME_PONG_TIMEOUT": "0.5"})["PONG_TIMEOUT"] == 0.5


def test_a_misspelt_name_is_refused_with_a_guess() -> None:
    with pytest.raises(BadEnvironment, match=r"Did you mean REALTIME_PING_INTERVAL\?"):
        environment.read_realtime({"REALTIME_PING_INTERVALL": "25"})


def test_the_defaults_are_the_engines() -> None:
    settings = conf.parse_settings(environment.read_realtime({}))

    assert settings == conf.Settings()


def test_every_tunable_of_the_engine_has_a_variable() -> None:
    names = {variable.name.removeprefix(environment.REALTIME_PREFIX) for variable in environment.REALTIME}

    # Namespaces are dicts: those belong into a settings module.
    assert names == set(conf._KEYS) - {"NAMESPACES"}


def test_readme_has_the_table_of_all_variables() -> None:
    readme = (ROOT / "README.md").read_text()

    assert environment.replace_table(readme) == readme, "README's table is old: make docs"


def test_the_table_is_replaced_between_its_markers() -> None:
    document = f"before\n{environment.TABLE_START}\nold\n{environment.TABLE_END}\nafter\n"

    replaced = environment.replace_table(document)

    assert replaced.startswith(f"before\n{environment.TABLE_START}\n| Variable |")
    assert replaced.endswith(f"|\n{environment.TABLE_END}\nafter\n")
    assert environment.replace_table(replaced) == replaced


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="environment:start"):
        environment.replace_table("nothing here")


@pytest.mark.parametrize(
    ("name", "value", "settings", "expected"),
    [
        ("REALTIME_PING_INTERVAL", "soon", "project.settings.dev", "REALTIME_PING_INTERVAL is 'soon'"),
        ("DATABASE_URL", "oracle-ish://x", "project.settings.dev", "DATABASE_URL cannot be read"),
        ("SECRET_KEY", "", "project.settings.prod", "SECRET_KEY is not set. Production needs it"),
    ],
)
def test_a_command_tells_it_in_one_line_without_a_trace(
    name: str, value: str, settings: str, expected: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings, name: value},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"manage.py: {expected}")


def test_a_key_may_stand_on_one_line() -> None:
    [variable] = [each for each in environment.REALTIME if each.name == "REALTIME_TOKEN_RSA_PUBLIC_KEY"]
    lines = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"

    assert variable.read({variable.name: lines.replace("\n", "\\n")}) == lines
    assert variable.read({variable.name: lines}) == lines
    with pytest.raises(environment.BadEnvironment, match="not a public key in PEM") as caught:
        variable.read({variable.name: "a secret by mistake"})
    assert "mistake" not in str(caught.value)
