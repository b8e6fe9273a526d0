"""For the tests of the page: a site with the demo's people and rooms, and windows to look at it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.end_to_end.browser.chat_window import ChatWindow
from tests.servers import ROOT, Server

SETTINGS = "project.settings.test"


class Site:
    """A server and its database, which a test may read and change beside the server."""

    def __init__(self, server: Server, database: Path) -> None:
        self.server = server
        self._database = database

    def fetch_texts(self, room: str) -> list[str]:
        """Of all messages that are stored, oldest first."""
        query = """
            SELECT message.text FROM chat_message AS message
            JOIN chat_room AS room ON room.id = message.room_id
            WHERE room.slug = ? ORDER BY message.id
        """
        with closing(sqlite3.connect(self._database)) as connection:
            return [text for (text,) in connection.execute(query, (room,))]

    def rename(self, username: str, first_name: str) -> None:
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute(
                "UPDATE auth_user SET first_name = ?, last_name = '' WHERE username = ?",
                (first_name, username),
            )


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file as `make run` leaves it. Tests work on copies."""
    path = tmp_path_factory.mktemp("demo") / "demo.sqlite3"
    subprocess.run(
        [sys.executable, "manage.py", "demo", "--migrate", "--force"],
        cwd=ROOT, env={**os.environ, **_environment(path)}, check=True, capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture
def site(
    demo_database: Path, start_server: Callable[..., Server], tmp_path: Path, page_is_built: None
) -> Site:
    database = tmp_path / "site.sqlite3"
    shutil.copyfile(demo_database, database)
    return Site(start_server(settings=SETTINGS, env=_environment(database)), database)


@pytest.fixture(scope="session")
def page_is_built() -> None:
    manifest = ROOT / "frontend" / "dist" / ".vite" / "manifest.json"
    if not manifest.exists():
        pytest.fail("The page is not built; run `make test`, or `npm run build` in frontend/.", pytrace=False)


def _environment(database: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "DATABASE_URL": f"sqlite:///{database}",
        # A server that stops need not wait for load balancers.
        "REALTIME_SHUTDOWN_DELAY": "0",
        "REALTIME_SHUTDOWN_SPREAD": "0",
    }


class OpenWindow(Protocol):
    def __call__(self, **options: Any) -> Awaitable[ChatWindow]:
        """A window of a browser of its own, with Playwright's options of a context."""


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(chromium: Browser, site: Site) -> AsyncIterator[OpenWindow]:
    """Windows on the site. When the test is over, none of them may have had a problem."""
    windows: list[ChatWindow] = []

    async def open_one(**options: Any) -> ChatWindow:
        context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        window = ChatWindow(await context.new_page(), url=site.server.http)
        windows.append(window)
        return window

    yield open_one
    for window in windows:
        await window.page.context.close()
    assert [window.problems for window in windows] == [[] for _ in windows]
