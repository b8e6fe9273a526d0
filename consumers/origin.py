"""Refuses pages of foreign origins before the upgrade. Not authentication: that is the token's."""

from typing import Any
from urllib.parse import ParseResult, urlparse

from channels.security.websocket import OriginValidator, WebsocketDenier


class OriginGuard(OriginValidator):
    """403 for an Origin that is neither allowed nor the host's own.

    Browsers always send an Origin (RFC 6455, section 4.1); a client without one is no page that
    somebody was lured to, so it may go on: a device, another server, an SDK.
    """

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        # Not async: a frame that only waits for the next one would live as long as the connection.
        application: Any = super().__call__
        if _comes_from_its_host(scope):
            application = self.application
        elif not _is_readable(_origin_of(scope)):
            application = WebsocketDenier()
        return application(scope, receive, send)

    def knows_page(self, scope: dict[str, Any], *, needs_https: bool) -> bool:
        """Whether a page asks, and one of this host or of an origin that is allowed by its name."""
        origin = _origin_of(scope)
        if not origin or not _is_readable(origin) or (needs_https and not origin.startswith("https://")):
            return False
        return _comes_from_its_host(scope) or self.valid_origin(urlparse(origin))

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(self.validate_origin(parsed_origin))


def _comes_from_its_host(scope: dict[str, Any]) -> bool:
    # `https://Example.com:8443` → `example.com:8443`
    host_of_origin = _origin_of(scope).partition("://")[2].lower()
    host: bytes = dict(scope.get("headers", ())).get(b"host", b"")
    return host_of_origin != "" and host_of_origin == host.decode("latin-1").lower()


def _is_readable(origin: str) -> bool:
    """No browser sends `https://[` or a port of nine digits; Channels' validator would raise on it."""
    try:
        urlparse(origin).port  # noqa: B018  # Reading it checks it.
    except ValueError:
        return False
    return True


def _origin_of(scope: dict[str, Any]) -> str:
    origin: bytes = dict(scope.get("headers", ())).get(b"origin", b"")
    return origin.decode("latin-1")
