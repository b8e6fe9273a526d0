"""Holds WebSockets to ALLOWED_HOSTS, as Django holds requests to it.

A page's origin is compared with the host that it asks for (consumers/origin.py). Whoever owns a
domain can have its name lead to this server's address (DNS rebinding): then both are the attacker's,
and only this tells that the host is none of ours.
"""

from collections.abc import Collection
from typing import Any

from django.http.request import split_domain_port, validate_host

from consumers.pump import refuse

# What Django takes with DEBUG on and an empty list.
THIS_MACHINE = (".localhost", "127.0.0.1", "[::1]")


class AllowedHosts:
    """ASGI middleware for WebSockets: 400 before the upgrade for any other host, or none."""

    def __init__(self, application: Any, *, allowed: Collection[str], is_debug: bool) -> None:
        self._application = application
        self._allowed = allowed or (THIS_MACHINE if is_debug else ())

    # Not async: a frame that only waits for the next one would live as long as the connection.
    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self._allows(hosts[0]):
            return self._application(scope, receive, send)
        return refuse(scope, receive, send, status=400)

    def _allows(self, host: str) -> bool:
        domain, _port = split_domain_port(host)
        return bool(domain) and validate_host(domain, self._allowed)
