"""Believes X-Forwarded-For and X-Forwarded-Proto where a trusted proxy wrote them, and nowhere else.

What is true afterwards stands in the scope's `client` and `scheme`; nothing else need look at headers.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network

FORWARDED = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto")
)
# A browser says nothing of wss when it asks for an upgrade, and proxies write either.
SECURE = {"http": "https", "ws": "wss"}
PLAIN = {"https": "http", "wss": "ws"}


class TrustedProxies:
    """ASGI middleware for HTTP and WebSocket. From any other peer it removes such headers."""

    def __init__(self, application: Any, *, networks: Sequence[Network]) -> None:
        self._application = application
        self._networks = networks

    # Not async: a frame that only waits for the next one would live as long as a WebSocket.
    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if any(name in FORWARDED for name, _value in scope["headers"]):
            # In place: servers make one for each request, and a copy would stay with each WebSocket.
            self._settle(scope)
        return self._application(scope, receive, send)

    def _settle(self, scope: dict[str, Any]) -> None:
        headers = scope["headers"]
        peer, port = scope.get("client") or ("", 0)
        if not self._trusts(_parse(peer)):
            scope["headers"] = [header for header in headers if header[0] not in FORWARDED]
            return
        client = self._find_client(peer, _values_of(b"x-forwarded-for", headers))
        if client != peer:
            # The proxy does not tell the client's port.
            port = 0
        scope["client"] = (client, port)
        match _values_of(b"x-forwarded-proto", headers)[:1]:
            case ["https" | "wss"]:
                scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
            case ["http" | "ws"]:
                scope["scheme"] = PLAIN.get(scope["scheme"], scope["scheme"])
            case _:
                pass

    def _find_client(self, peer: str, chain: list[str]) -> str:
        """The nearest address that is no proxy of ours: what lies beyond it, it may have made up."""
        client = peer
        for entry in reversed(chain):
            address = _parse(entry)
            if address is None:
                break
            client = f"{address}"
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _values_of(name: bytes, headers: Any) -> list[str]:
    """Of all headers of this name, in order; each may have several, separated by commas."""
    text = ",".join(value.decode("latin-1") for each, value in headers if each == name)
    return [value.strip() for value in text.split(",")]


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """With or without a port, as different proxies write it; None for what is no address."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
