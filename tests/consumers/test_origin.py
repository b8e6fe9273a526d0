"""Pages of foreign origins are refused before the upgrade; clients that are no pages go on."""

from typing import Any

import pytest

from consumers.origin import OriginGuard
from tests.consumers.sockets import FakeSend


async def is_let_in(allowed: list[str], *, origin: bytes | None, host: bytes = b"chat.example.com") -> bool:
    reached: list[bool] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        reached.append(True)

    events = iter(["websocket.connect", "websocket.disconnect"])

    async def receive() -> dict[str, Any]:
        return {"type": next(events), "code": 1006}

    headers = [(b"host", host)]
    if origin is not None:
        headers.append((b"origin", origin))
    send = FakeSend()
    guard: Any = OriginGuard(application, allowed)
    scope = {"type": "websocket", "path": "/connection/websocket", "headers": headers}
    await guard(scope, receive, send)
    # A close before the accept is what servers answer with 403.
    assert [event["type"] for event in send.events] == ([] if reached else ["websocket.close"])
    return bool(reached)


@pytest.mark.parametrize("allowed", [[], ["https://other.example.com"]])
async def test_a_client_without_an_origin_is_no_page_and_goes_on(allowed: list[str]) -> None:
    assert await is_let_in(allowed, origin=None)


@pytest.mark.parametrize("allowed", [[], ["https://other.example.com"]])
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"https://chat.example.com", b"chat.example.com"),
        (b"http://Chat.Example.com", b"chat.example.com"),
        (b"https://chat.example.com", b"CHAT.example.com"),
        (b"http://127.0.0.1:8000", b"127.0.0.1:8000"),
        (b"https://chat.example.com:8443", b"chat.example.com:8443"),
    ],
)
async def test_the_sites_own_pages_are_let_in(allowed: list[str], origin: bytes, host: bytes) -> None:
    assert await is_let_in(allowed, origin=origin, host=host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"https://evil.example.com", b"chat.example.com"),
        (b"https://chat.example.com.evil.com", b"chat.example.com"),
        (b"https://chat.example.com:8443", b"chat.example.com"),
        (b"https://chat.example.com@evil.com", b"chat.example.com"),
        (b"null", b"chat.example.com"),
        (b"", b"chat.example.com"),
        (b"", b""),
        (b"chat.example.com", b"chat.example.com"),
        (b"file://", b"chat.example.com"),
        (b"\xff\xfe", b"chat.example.com"),
        (b"https://a.com:port", b"chat.example.com"),
        (b"https://a.com:99999999", b"chat.example.com"),
        (b"https://[::1", b"chat.example.com"),
    ],
)
async def test_foreign_pages_are_refused(origin: bytes, host: bytes) -> None:
    assert not await is_let_in([], origin=origin, host=host)
    assert not await is_let_in(["https://other.example.com"], origin=origin, host=host)


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [
        ("https://a.com", b"https://a.com", True),
        ("https://a.com", b"https://a.com:443", True),
        ("https://a.com", b"http://a.com", False),
        ("https://a.com", b"https://b.a.com", False),
        ("https://a.com:8443", b"https://a.com:8443", True),
        ("https://a.com:8443", b"https://a.com", False),
        ("https://.a.com", b"https://b.a.com", True),
        ("https://.a.com", b"https://a.com", True),
        ("https://.a.com", b"https://evil-a.com", False),
        ("*", b"https://evil.com", True),
    ],
)
async def test_configured_origins_are_let_in_and_no_others(allowed: str, origin: bytes, may: bool) -> None:
    assert await is_let_in([allowed], origin=origin) is may
