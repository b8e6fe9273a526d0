"""For the tests of the JavaScript SDK: servers that last for all of them, and platforms for programs."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.javascript.platforms import Chromium, Node, Platform
from tests.servers import EACH_KIND, Server, ServerKind


@pytest.fixture(scope="session")
def get_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[ServerKind], Server]]:
    """Servers of both kinds, each started once: tests keep apart by the topics they use."""
    servers: dict[ServerKind, Server] = {}
    with ExitStack() as stack:

        def get(kind: ServerKind) -> Server:
            if kind not in servers:
                log = tmp_path_factory.mktemp("javascript") / f"{kind}.log"
                server = Server(kind, settings="tests.end_to_end.javascript.settings", log=log)
                servers[kind] = stack.enter_context(server)
            return servers[kind]

        yield get


@pytest.fixture(params=EACH_KIND)
def server(request: pytest.FixtureRequest, get_server: Callable[[ServerKind], Server]) -> Server:
    return get_server(request.param)


@pytest.fixture(params=["node-json", "node-protobuf", "chromium-json", "chromium-protobuf"])
def platform(request: pytest.FixtureRequest, server: Server) -> Platform:
    match request.param.split("-"):
        case ["node", codec]:
            return Node(codec)
        case [_, codec]:
            return Chromium(codec, request.getfixturevalue("chromium"), origin=server.http)
        case _:
            raise AssertionError(request.param)


@pytest.fixture
def key() -> str:
    """The part of a topic's name after the colon, of this test alone."""
    return uuid.uuid4().hex
