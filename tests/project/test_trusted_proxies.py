"""Whose word on a request's origin is taken: that of the proxies named, and of nobody else."""

from ipaddress import ip_network
from typing import Any

import pytest

from project.settings import environment
from project.settings.environment import BadEnvironment
from project.trusted_proxies import TrustedProxies

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


async def see(
    *headers: tuple[bytes, bytes], peer: str | None = "10.0.0.1", type_: str = "http", scheme: str = "http"
) -> dict[str, Any]:
    """The scope as the application gets it."""
    seen: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope: dict[str, Any] = {
        "type": type_,
        "scheme": scheme,
        "client": None if peer is None else (peer, 4000),
        "headers": [(b"host", b"chat.example"), *headers],
    }
    await TrustedProxies(application, networks=NETWORKS)(scope, None, None)
    return seen[0]


def forwarded_for(value: str) -> tuple[bytes, bytes]:
    return (b"x-forwarded-for", value.encode())


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:51000", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:51000", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        # What the client itself wrote stands to the left of what the first proxy saw.
        ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.1.2.3, fd00::5", "203.0.113.7"),
        # All are ours: the farthest of them began it.
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("unknown, 10.1.2.3", "10.1.2.3"),
        ("203.0.113.7, <script>", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
async def test_the_client_is_the_nearest_that_is_no_proxy_of_ours(chain: str, client: str) -> None:
    scope = await see(forwarded_for(chain))

    assert scope["client"][0] == client


async def test_several_headers_are_one_chain() -> None:
    scope = await see(forwarded_for("203.0.113.7"), forwarded_for("10.1.2.3"))

    assert scope["client"] == ("203.0.113.7", 0)


@pytest.mark.parametrize(
    ("type_", "scheme", "said", "seen"),
    [
        ("http", "http", b"https", "https"),
        ("websocket", "ws", b"https", "wss"),
        ("websocket", "ws", b"wss", "wss"),
        ("http", "http", b"https, http", "https"),
        ("http", "https", b"http", "http"),
        ("http", "http", b"gopher", "http"),
    ],
)
async def test_the_scheme_is_what_the_proxy_says(type_: str, scheme: str, said: bytes, seen: str) -> None:
    scope = await see((b"x-forwarded-proto", said), type_=type_, scheme=scheme)

    assert scope["scheme"] == seen


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "::1", "not an address", None])
async def test_from_anybody_else_the_headers_are_removed(peer: str | None) -> None:
    scope = await see(
        forwarded_for("127.0.0.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"evil.example"),
        (b"forwarded", b"for=127.0.0.1;proto=https"),
        peer=peer,
    )

    assert scope["client"] == (None if peer is None else (peer, 4000))
    assert scope["scheme"] == "http"
    assert scope["headers"] == [(b"host", b"chat.example")]


def test_the_variable_names_networks() -> None:
    networks = environment.TRUSTED_PROXIES.read({"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,fd00::/8"})

    assert [str(network) for network in networks] == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]


@pytest.mark.parametrize("text", ["nginx", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(BadEnvironment, match="networks such as"):
        environment.TRUSTED_PROXIES.read({"TRUSTED_PROXIES": text})
