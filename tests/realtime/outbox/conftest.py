"""The outbox' tests run on SQLite and on PostgreSQL, each on a table of their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from project.settings.base import database as configure
from realtime.outbox.models import OutboxRow
from tests.postgres import running_postgres
from tests.realtime.outbox.stage import Stage


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("outbox on postgresql"))]
)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Django's default database for one test, in all threads; gives its vendor. The outbox is empty."""
    is_sqlite = request.param == "sqlite"
    config = configure(
        f"sqlite:///{tmp_path / 'outbox.sqlite3'}" if is_sqlite else request.getfixturevalue("postgres_url")
    )
    with django_db_blocker.unblock(), default_database(config):
        call_command("migrate", "realtime", verbosity=0)
        OutboxRow.objects.all().delete()
        yield request.param


class default_database:  # noqa: N801 -- Reads as the context manager that it is.
    """Swaps Django's default database: its settings, and the connection of this thread."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = connections.configure_settings({"default": {**config, "TEST": {}}})["default"]

    def __enter__(self) -> None:
        self._before = connections["default"]
        self._settings = connections.settings["default"]
        connections.settings["default"] = self._config
        del connections["default"]

    def __exit__(self, *_error: object) -> None:
        ours = connections["default"]
        ours.close()
        if self._config["OPTIONS"].get("pool"):
            ours.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's.
        connections.settings["default"] = self._settings
        connections["default"] = self._before


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    stage = Stage(vendor=database)
    yield stage
    await stage.close()
