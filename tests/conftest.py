"""What every test gets: uvloop, as in production, and servers that are ended whatever happens."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.servers import Server


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    return {"uvloop": uvloop.new_event_loop}


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
