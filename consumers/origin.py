"""Refuses pages of foreign origins before the upgrade. Not authentication: that is the token's."""

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator


class OriginGuard(OriginValidator):
    """403 for an Origin that is neither allowed nor the host's own.

    Browsers always send an Origin (RFC 6455, section 4.1); a client without one is no page that
    somebody was lured to, so it may go on: a device, another server, an SDK.
    """

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        # Not async: a frame that only waits for the next one would live as long as the connection.
        application: Any = self.application if _comes_from_its_host(scope) else super().__call__
        return application(scope, receive, send)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(self.validate_origin(parsed_origin))


def _comes_from_its_host(scope: dict[str, Any]) -> bool:
    headers = dict(scope.get("headers", ()))
    # `https://Example.com:8443` → `example.com:8443`
    host_of_origin = headers.get(b"origin", b"").partition(b"://")[2].lower()
    return b"origin" in headers and host_of_origin == headers.get(b"host", b"").lower()
