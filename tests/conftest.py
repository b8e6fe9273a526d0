"""What every test gets: uvloop, as in production, and servers that are ended whatever happens."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from asgiref.sync import SyncToAsync
from django.core.cache import cache
from django.db import connections

from tests.redis_server import RedisServer
from tests.servers import Server

# Suites live in the shipped test kit; pytest must explain their failures as it does its own. It can do so
# only before anything imports them.
pytest.register_assert_rewrite(
    "realtime.testing.layers", "realtime.testing.presence", "realtime.testing.rate_limits"
)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, then groups of one process: at the end none waits for another."""

    def is_short(item: pytest.Item) -> tuple[bool, bool]:
        # Whoever needs longer than others says so by a time-out of its own.
        return item.get_closest_marker("timeout") is None, item.get_closest_marker("xdist_group") is None

    items.sort(key=is_short)


@pytest.fixture(autouse=True)
def nobody_tried_to_sign_in() -> None:
    """Wrong passwords are counted in the cache of this process: no test starts with those of another."""
    cache.clear()


@pytest.fixture(autouse=True)
def thread_keeps_no_connection() -> Iterator[None]:
    """Async code uses the database in one thread for all tests: a connection that a test leaves there
    belongs to a database which the next one may not touch.
    """
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """make_server(kind="serve", settings=…, env=…): a real server on a free port; the test starts it."""
    servers: list[Server] = []

    def make(kind: str = "serve", **options: Any) -> Server:
        server = Server(kind, log=tmp_path / f"server-{len(servers)}.log", **options)  # type: ignore[arg-type]  # Any text.
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def start_server(make_server: Callable[..., Server]) -> Callable[..., Server]:
    """The same, started: it is ready when the call returns, and is stopped after the test."""

    def start(kind: str = "serve", **options: Any) -> Server:
        return make_server(kind, **options).start()

    return start


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """As start_server, but one server for all tests that ask for the same: each leaves it as it was."""
    servers: dict[str, Server] = {}

    def get(kind: str = "serve", **options: Any) -> Server:
        key = repr((kind, options))
        if key not in servers:
            log = tmp_path_factory.mktemp("server") / "server.log"
            servers[key] = Server(kind, log=log, **options).start()  # type: ignore[arg-type]  # Any text.
        return servers[key]

    yield get
    # All at once: each takes a moment.
    for server in servers.values():
        server.terminate()
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for all tests that do it no harm; each uses its own `redis_prefix`."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """The server in REDIS_URL, or else `redis_server`: for tests that do it no harm."""
    url = os.environ.get("REDIS_URL", "").split(",")[0].strip()
    server: RedisServer | None = None if url else request.getfixturevalue("redis_server")
    return url if server is None else server.url


@pytest.fixture
def redis_prefix() -> str:
    """What the names of all keys and channels of this test begin with."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_redis() -> Iterator[Callable[..., RedisServer]]:
    """make_redis(is_durable=…): a server of the test's own, started; ended whatever happens to it."""
    servers: list[RedisServer] = []

    def make(**options: Any) -> RedisServer:
        server = RedisServer(**options)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.remove()


@pytest.fixture(autouse=True)
def audited_soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Audit entries that were left to the writer's thread: a test's own database is not for it."""
    # Imported here: a model can be only once Django is set up.
    from realtime.features.audit.log import writer  # noqa: PLC0415  # Once Django is set up.

    entries: list[Any] = []
    monkeypatch.setattr(writer, "store", entries.extend)
    yield entries
    writer.flush()
