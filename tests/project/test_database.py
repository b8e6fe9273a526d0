"""The database under sessions' rules and hooks: a bounded number of connections, none kept for ever."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from project.settings import base
from tests.postgres import running_postgres
from tests.servers import ROOT

POSTGRESQL = "postgres://user:secret@db.example/name"

# Runs in a process of its own, since settings are read once. `busy` hooks are under way at a time.
HOOKS = """
import asyncio, json, threading, time
import django
django.setup()
from django.db import connection, connections
from realtime.conf import Settings
from realtime.layers.memory import MemoryTopicLayer
from realtime.runtime import Runtime

THREADS = 3
lock, busy, most_busy, seen = threading.Lock(), 0, 0, set()
is_left_open = []

def hook(number):
    global busy, most_busy
    is_left_open.append(connection.connection is not None)
    with connection.cursor() as cursor:
        cursor.execute(QUERY)
        seen.add((threading.get_ident(), cursor.fetchone()[0]))
        with lock:
            busy += 1
            most_busy = max(busy, most_busy)
        time.sleep(0.02)
        with lock:
            busy -= 1

async def main():
    runtime = Runtime(Settings(hook_threads=THREADS, outbox_relay=False), MemoryTopicLayer())
    await asyncio.gather(*(runtime._hook_threads.run(hook, number) for number in range(20)))
    pool = connection.pool.get_stats() if connection.vendor == "postgresql" else {}
    print(json.dumps({
        "most_busy": most_busy,
        "threads": len({thread for thread, _ in seen}),
        "connections": len({key for _, key in seen}),
        "left_open": sum(is_left_open),
        "pool": {"size": pool.get("pool_size"), "free": pool.get("pool_available")},
    }))
    await runtime.stop()
    if connection.vendor == "postgresql":
        connection.close_pool()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


def run(code: str, database_url: str, **env: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings.dev",
            "DATABASE_URL": database_url,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_hooks_on_postgresql_share_no_more_connections_than_threads(postgres_url: str) -> None:
    result = run(f"QUERY = 'SELECT pg_backend_pid()'\n{HOOKS}", postgres_url, DATABASE_POOL_SIZE="5")

    assert (result["threads"], result["most_busy"], result["left_open"]) == (3, 3, 0)
    assert result["connections"] <= 3
    # All are back in the pool: sessions that are idle hold none.
    assert result["pool"]["size"] == result["pool"]["free"] <= 3


def test_hooks_on_sqlite_share_no_more_connections_than_threads(tmp_path: Any) -> None:
    result = run(f"QUERY = 'SELECT 1'\n{HOOKS}", f"sqlite:///{tmp_path / 'hooks.sqlite3'}")

    # 20 calls; each thread opens its connection for its first.
    assert (result["threads"], result["most_busy"], result["left_open"]) == (3, 3, 17)


def test_hooks_on_sqlite_open_their_connections_anew_after_a_while(tmp_path: Any) -> None:
    soon = "from realtime import hook_threads\nhook_threads.KEEP_SQLITE_SECONDS = 0"

    result = run(f"{soon}\nQUERY = 'SELECT 1'\n{HOOKS}", f"sqlite:///{tmp_path / 'hooks.sqlite3'}")

    assert (result["threads"], result["left_open"]) == (3, 0)


def test_postgresql_ends_what_takes_too_long(postgres_url: str) -> None:
    limits = run(
        "import json, django\ndjango.setup()\nfrom django.db import connection\n"
        "names = ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')\n"
        "with connection.cursor() as cursor:\n"
        "    shown = [cursor.execute(f'SHOW {name}').fetchone()[0] for name in names]\n"
        "    try:\n"
        "        cursor.execute('SELECT pg_sleep(20)')\n"
        "    except django.db.OperationalError as error:\n"
        "        shown.append(str(error).strip())\n"
        "connection.close_pool()\n"
        "print(json.dumps(shown))",
        postgres_url,
        DATABASE_STATEMENT_TIMEOUT="0.2",
    )

    assert limits == ["200ms", "200ms", "1min", "canceling statement due to statement timeout"]


def test_one_statement_holds_up_another_for_ten_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_STATEMENT_TIMEOUT", raising=False)
    options = base.database(POSTGRESQL)["OPTIONS"]

    assert "statement_timeout=30000" in options["options"]
    assert "lock_timeout=10000" in options["options"]
    assert options["connect_timeout"] == 10


def test_what_the_url_says_goes_first() -> None:
    options = base.database(f"{POSTGRESQL}?connect_timeout=3&options=-c%20statement_timeout%3D5")["OPTIONS"]

    assert (options["connect_timeout"], options["options"]) == (3, "-c statement_timeout=5")


def test_where_statements_have_no_limit_waiting_for_a_lock_still_has(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_STATEMENT_TIMEOUT", "0")
    options = base.database(postgres_url)["OPTIONS"]["options"]

    with psycopg.connect(postgres_url, options=options) as connection:
        shown = connection.execute("SHOW lock_timeout").fetchone()
    assert shown == ("10s",)
