"""Production from outside: what does not start, and what a browser is told by what does."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT, Server, find_free_port

# The server is started once.
pytestmark = pytest.mark.xdist_group("production")

SAFE = {
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "REALTIME_TOKEN_HMAC_SECRET": "zyxwvutsrqponmlkjihgfedcba-9876543210",
    "ALLOWED_HOSTS": "chat.example,127.0.0.1",
}
# What is changed of the environment, and what the one line must say.
# The rest of what is refused: tests/realtime/test_production.py, tests/project/test_settings.py.
UNSAFE: dict[str, tuple[dict[str, str], str]] = {
    "development's key": (
        {"SECRET_KEY": "django-insecure-development-only-0123456789-abcdefghijklmnop"},
        "SECRET_KEY is one that everybody knows",
    ),
    "a short API key": ({"REALTIME_API_KEYS": "hunter2"}, "REALTIME['API_KEYS'], number 1, is shorter than"),
    "everything open": ({"REALTIME_INSECURE_CLIENT": "on"}, "REALTIME['INSECURE_CLIENT'] is on"),
    "any host": ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS has '*'"),
}


def start(command: list[str], folder: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings.prod",
            "DATABASE_URL": f"sqlite:///{folder / 'production.sqlite3'}",
            **SAFE,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize("what", UNSAFE)
def test_it_does_not_start_unsafe_and_says_why_in_one_line(what: str, tmp_path: Path) -> None:
    env, text = UNSAFE[what]

    done = start(["manage.py", "serve", "--port", str(find_free_port())], tmp_path, env)

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert text in line
    assert "hunter2" not in line


def test_daphne_does_not_start_it_either(tmp_path: Path) -> None:
    env, text = UNSAFE["everything open"]

    done = start(["-m", "daphne", "-p", str(find_free_port()), "project.asgi:application"], tmp_path, env)

    assert done.returncode == 1
    assert text in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Behind a proxy on this machine that ends HTTPS: the tests are the proxy."""
    folder = tmp_path_factory.mktemp("production")
    # Collecting static files takes longer than all of these tests; none is asked for.
    (folder / "production_in_test.py").write_text(
        "from project.settings.prod import *\n"
        "STORAGES = {**STORAGES, 'staticfiles': {'BACKEND':\n"
        "    'django.contrib.staticfiles.storage.StaticFilesStorage'}}\n"
    )
    env = {**SAFE, "PYTHONPATH": str(folder), "TRUSTED_PROXIES": "127.0.0.1", "REALTIME_SHUTDOWN_DELAY": "0"}
    server = Server("serve", settings="production_in_test", env=env, log=folder / "server.log")
    server.manage("migrate", "--verbosity", "0")
    with server:
        yield server


def ask(server: Server, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers={"Host": "chat.example", **sent})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_plain_http_is_sent_to_https_and_gets_no_cookie(production: Server) -> None:
    answer = ask(production, "/api/session")

    assert answer.status == 301
    assert answer.headers["Location"] == "https://chat.example/api/session"
    assert answer.headers["Set-Cookie"] is None


def test_behind_its_proxy_browsers_are_told_to_stay_with_https(production: Server) -> None:
    answer = ask(production, "/api/session", X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.7")

    assert answer.status == 200
    hsts = answer.headers["Strict-Transport-Security"]
    assert hsts == "max-age=31536000; includeSubDomains; preload"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-csrftoken=")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_an_error_shows_no_page_for_programmers(production: Server) -> None:
    answer = ask(production, "/nothing", X_Forwarded_Proto="https")

    assert answer.status == 404
    assert int(answer.headers["Content-Length"]) < 1000
