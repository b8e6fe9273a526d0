"""The outbox among processes that die: what was committed arrives, once each, in order, and nothing else."""

import asyncio
import sys
import uuid
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.end_to_end.outbox_run import SETTINGS, run_outbox
from tests.postgres import running_postgres
from tests.raw_client import RawClient, raw_client
from tests.redis_server import RedisServer
from tests.servers import ROOT, Server

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


@pytest.mark.timeout(300)
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


# What another process does, be it a command, a task or a cron job.
PUBLISH = "from realtime.outbox import publish_on_commit; [publish_on_commit('open:a', n) for n in {}]"


@asynccontextmanager
async def subscriber(server: Server) -> AsyncIterator[RawClient]:
    async with raw_client(server.ws) as client:
        await client.connect()
        await client.subscribe("open:a")
        yield client


async def publish(server: Server, *numbers: int) -> None:
    """In a process of its own, on the server's database."""
    code = PUBLISH.format(list(numbers))
    await asyncio.to_thread(server.manage, "shell", "--no-imports", "--command", code)


async def receive(client: RawClient) -> object:
    push = await client.receive_push()
    return push["pub"]["data"]


async def test_a_command_reaches_the_clients_of_a_server_without_redis(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(settings=SETTINGS)
    server.manage("migrate", "realtime", "--verbosity=0")
    server.start()

    async with subscriber(server) as client:
        await publish(server, 1)

        assert await receive(client) == 1


async def test_what_is_committed_while_redis_is_away_arrives_when_it_is_back(
    make_server: Callable[..., Server], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis(is_durable=True)
    server = make_server(settings=SETTINGS, env={"REDIS_URL": redis.url})
    server.manage("migrate", "realtime", "--verbosity=0")
    server.start()
    async with subscriber(server) as client:
        redis.kill()
        await publish(server, 1, 2)

        redis.start()

        assert [await receive(client), await receive(client)] == [1, 2]
    assert "Traceback" not in server.log.read_text()


async def test_a_relay_of_its_own_publishes_where_servers_do_not(
    make_server: Callable[..., Server], redis_url: str, redis_prefix: str
) -> None:
    env = {"REDIS_URL": redis_url, "REDIS_PREFIX": redis_prefix, "REALTIME_OUTBOX_RELAY": "off"}
    server = make_server(settings=SETTINGS, env=env)
    server.manage("migrate", "realtime", "--verbosity=0")
    server.start()
    async with subscriber(server) as client:
        await publish(server, 1)
        relay = await asyncio.create_subprocess_exec(
            sys.executable, "manage.py", "relay", cwd=ROOT, env=server.env, stdout=PIPE, stderr=STDOUT
        )
        try:
            received = await receive(client)
            relay.terminate()
            printed, _ = await asyncio.wait_for(relay.communicate(), 20)
        finally:
            if relay.returncode is None:
                relay.kill()

    assert received == 1
    assert (relay.returncode, printed) == (0, b"Relaying the outbox. Stop with Ctrl+C.\n")


def test_a_relay_refuses_where_it_would_reach_nobody(tmp_path: Path) -> None:
    server = Server(settings=SETTINGS, env={"REDIS_URL": ""}, log=tmp_path / "log")

    with pytest.raises(RuntimeError, match=r"(?s)reaches only the clients of its own process.*set REDIS_URL"):
        server.manage("relay")
