"""Starts that must fail: in one line that says what to do, and never half."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import ROOT, Server, find_free_port

TYPO_IN_SETTINGS = """
from project.settings.dev import *
REALTIME = {"PING_INTERVALL": 5}
"""
TYPO_IN_NAMESPACE = """
from project.settings.dev import *
REALTIME["NAMESPACES"] = {"news": {"history_sise": 100}}
"""
CONTRADICTION = """
from project.settings.dev import *
REALTIME["NAMESPACES"] = {"news": {"history_size": 100}}
"""
WRONG_LAYER = """
from project.settings.dev import *
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
"""

# What is wrong: a settings module or environment variables; and what the line must say of it.
WRONG: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "an unknown key": (TYPO_IN_SETTINGS, {}, ["'PING_INTERVALL'", "did you mean 'PING_INTERVAL'?"]),
    "an unknown option": (
        TYPO_IN_NAMESPACE,
        {},
        ["'news'", "'history_sise'", "did you mean 'history_size'?"],
    ),
    "a contradiction": (CONTRADICTION, {}, ["'news'", "history_ttl is 0", "set both"]),
    "a layer without topics": (WRONG_LAYER, {}, ["InMemoryChannelLayer", "MemoryTopicLayer"]),
    "an unknown variable": ("", {"REALTIME_PNG_INTERVAL": "5"}, ["Did you mean REALTIME_PING_INTERVAL?"]),
    "no number": ("", {"REALTIME_PING_INTERVAL": "soon"}, ["REALTIME_PING_INTERVAL", "'soon'", "number"]),
    "a number out of range": ("", {"REALTIME_HOOK_THREADS": "0"}, ["HOOK_THREADS", "at least 1"]),
    "two numbers at odds": (
        "",
        {"REALTIME_PONG_TIMEOUT": "25"},
        ["PONG_TIMEOUT", "PING_INTERVAL", "smaller"],
    ),
}
WRONG_FOR_SERVE: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "no port": ("", {"PORT": "http"}, ["PORT", "'http'", "65535"]),
    "no number of workers": ("", {"WORKERS": "two"}, ["WORKERS", "'two'", "whole number"]),
    "no workers": ("", {"WORKERS": "0"}, ["--workers is 0", "1 or more"]),
    "workers that share nothing": (
        "",
        {"WORKERS": "2", "REDIS_URL": ""},
        ["--workers is 2", "memory of one process", "Set REDIS_URL", "--workers 1"],
    ),
    "a port out of range": ("", {"PORT": "70000"}, ["70000", "65535"]),
}


def start(
    command: list[str], folder: Path, settings: str, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a server that should end by itself, with `settings` as the text of its settings module."""
    (folder / "settings_in_test.py").write_text(settings or "from project.settings.dev import *")
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "DJANGO_SETTINGS_MODULE": "settings_in_test",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("what", [*WRONG, *WRONG_FOR_SERVE])
def test_serve_refuses_wrong_settings_in_one_line(what: str, tmp_path: Path) -> None:
    settings, env, words = {**WRONG, **WRONG_FOR_SERVE}[what]
    port = [] if "PORT" in env else ["--port", str(find_free_port())]

    done = start(["manage.py", "serve", *port], tmp_path, settings, env)

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert [word for word in words if word not in line] == [], line


@pytest.mark.parametrize("what", WRONG)
def test_daphne_refuses_wrong_settings(what: str, tmp_path: Path) -> None:
    settings, env, words = WRONG[what]
    command = ["-m", "daphne", "-p", str(find_free_port()), "project.asgi:application"]

    done = start(command, tmp_path, settings, env)

    # daphne shows the traceback of whatever its application raises; the last line is ours.
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert [word for word in words if word not in line] == [], done.stderr


def test_a_second_start_on_the_same_port_is_told_in_one_line(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    first = start_server("serve")

    done = start(["manage.py", "serve", "--port", str(first.port)], tmp_path, "", {})

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert f"Port {first.port} on 127.0.0.1 is in use" in line
    assert f"PORT={first.port + 1} make run" in line
    assert first.is_ready()


def test_a_foreign_address_is_told_in_one_line(tmp_path: Path) -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): nobody has it.
    done = start(["manage.py", "serve", "--host", "192.0.2.1", "--port", "0"], tmp_path, "", {})

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Cannot listen on 192.0.2.1" in line
