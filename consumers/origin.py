"""Refuses pages of foreign origins before the upgrade. Not authentication: that is the token's."""

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator


class OriginGuard(OriginValidator):  # type: ignore[misc]  # Channels' validator is untyped.
    """403 for an Origin that is neither allowed nor, where none is configured, the host's own.

    Browsers always send an Origin (RFC 6455, section 4.1); a client without one is no page that
    somebody was lured to, so it may go on: a device, another server, an SDK.
    """

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin")
        host = headers.get(b"host", b"")
        if not self.allowed_origins and origin is not None and _host_of(origin) == host.lower():
            return await self.application(scope, receive, send)
        return await super().__call__(scope, receive, send)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(self.validate_origin(parsed_origin))


def _host_of(origin: bytes) -> bytes:
    """`https://Example.com:8443` → `example.com:8443`."""
    return origin.partition(b"://")[2].lower()
