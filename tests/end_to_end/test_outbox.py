"""The outbox among processes that die: what was committed arrives, once each, in order, and nothing else."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.end_to_end.outbox_run import run_outbox
from tests.postgres import running_postgres

# Of four processes. As many as prove something: relays are killed some dozens of times meanwhile.
TRANSACTIONS, WRITERS = 10_000, 4


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'outbox.sqlite3'}"
        return
    with running_postgres() as url, psycopg.connect(url, autocommit=True) as connection:
        # A database for one test, also where the server is one that somebody lends.
        name = f"switchboard_{uuid.uuid4().hex}"
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.timeout(180)
async def test_what_is_committed_arrives_once_and_in_order_while_relays_are_killed(
    database_url: str, tmp_path: Path, redis_url: str, redis_prefix: str
) -> None:
    verdict = await run_outbox(
        folder=tmp_path, database_url=database_url, redis_url=redis_url, prefix=redis_prefix,
        transactions=TRANSACTIONS, writers=WRITERS, seed=1,
    )  # fmt: skip

    assert verdict.received == verdict.committed > TRANSACTIONS / 2
    assert (verdict.disordered, verdict.left_in_the_outbox) == ((), 0)
    assert verdict.killed > 5
