"""Which pages may open a WebSocket: refused before the upgrade, so that a foreign page learns nothing."""

from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus

from tests.raw_client import raw_client
from tests.servers import EACH_KIND, Server

SETTINGS = "tests.end_to_end.settings_probe"
FOREIGN = ["https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "null", "nonsense", "file://"]


@pytest.fixture(params=EACH_KIND)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def fetch_status(server: Server, origin: str | None) -> int:
    """The HTTP status that a page of `origin` gets: 101 where it is let in."""
    try:
        async with raw_client(server.ws, origin=origin) as client:
            await client.connect()
    except InvalidStatus as refused:
        return refused.response.status_code
    return 101


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_gets_403(kind: str, shared_server: Callable[..., Server], origin: str) -> None:
    server = shared_server(kind, settings=SETTINGS, env={})

    status = await fetch_status(server, origin)

    # What is no origin at all, daphne's WebSocket library refuses by itself.
    assert status == (400 if server.kind == "daphne" and origin == "nonsense" else 403)


async def test_a_page_of_the_same_host_gets_in(kind: str, shared_server: Callable[..., Server]) -> None:
    server = shared_server(kind, settings=SETTINGS, env={})

    assert await fetch_status(server, server.http) == 101


async def test_a_client_that_is_no_page_gets_in(kind: str, shared_server: Callable[..., Server]) -> None:
    server = shared_server(kind, settings=SETTINGS, env={})

    assert await fetch_status(server, None) == 101


async def test_the_settings_name_the_pages_that_get_in(
    kind: str, shared_server: Callable[..., Server]
) -> None:
    origins = "https://app.example.com,https://.example.org"
    server = shared_server(kind, settings=SETTINGS, env={"REALTIME_ALLOWED_ORIGINS": origins})

    let_in = {
        origin: await fetch_status(server, origin)
        for origin in (
            "https://app.example.com",
            "https://deep.example.org",
            "https://other.example.com",
            "http://app.example.com",
            "https://example.org.evil.example",
        )
    }

    assert let_in == {
        "https://app.example.com": 101,
        "https://deep.example.org": 101,
        "https://other.example.com": 403,
        "http://app.example.com": 403,
        "https://example.org.evil.example": 403,
    }
    # What the table of settings says: "besides the site's own".
    assert await fetch_status(server, server.http) == 101


async def test_a_star_lets_every_page_in(kind: str, shared_server: Callable[..., Server]) -> None:
    server = shared_server(kind, settings=SETTINGS, env={"REALTIME_ALLOWED_ORIGINS": "*"})

    assert await fetch_status(server, "https://anything.example") == 101
