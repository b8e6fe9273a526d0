"""Which hosts WebSockets may ask for: those that requests may."""

from typing import Any

import pytest

from project.allowed_hosts import AllowedHosts
from tests.consumers.sockets import FakeSend


async def is_let_in(*hosts: bytes, allowed: list[str], is_debug: bool = False) -> bool:
    reached: list[bool] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        reached.append(True)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    send = FakeSend()
    scope = {"type": "websocket", "headers": [(b"host", host) for host in hosts], "extensions": {}}
    await AllowedHosts(application, allowed=allowed, is_debug=is_debug)(scope, receive, send)
    assert bool(send.events) is not bool(reached)
    return bool(reached)


@pytest.mark.parametrize(
    "host", [b"chat.example", b"CHAT.example:8443", b"deep.app.example", b"[2001:db8::1]:80"]
)
async def test_our_hosts_are_let_in(host: bytes) -> None:
    assert await is_let_in(host, allowed=["chat.example", ".app.example", "[2001:db8::1]"])


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"chat.example.evil.example",
        b"chat.example@evil.example",
        b"",
        b"chat.example/",
        b"\xff",
    ],
)
async def test_other_hosts_are_not(host: bytes) -> None:
    assert not await is_let_in(host, allowed=["chat.example"])


async def test_who_names_no_host_or_two_is_not() -> None:
    assert not await is_let_in(allowed=["*"])
    assert not await is_let_in(b"chat.example", b"evil.example", allowed=["chat.example"])


async def test_in_development_this_machine_is_let_in() -> None:
    assert await is_let_in(b"127.0.0.1:8000", allowed=[], is_debug=True)
    assert not await is_let_in(b"127.0.0.1:8000", allowed=[])
    assert not await is_let_in(b"evil.example", allowed=[], is_debug=True)
