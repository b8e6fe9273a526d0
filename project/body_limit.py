"""Refuses HTTP bodies over a limit while they arrive. What a view accepts is the view's business.

Django writes a whole body to a temporary file before any view can say that it is too large, so a
stranger could fill the disk.
"""

from typing import Any

TOO_LARGE = (
    b'{"error":{"code":"too_large","message":"The request body is larger than this server takes. '
    b'Send less, or raise MAX_BODY_BYTES."}}'
)


class BodyLimit:
    """ASGI middleware for HTTP: 413, and the connection closed, once a body exceeds `max_bytes`."""

    def __init__(self, application: Any, *, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if _announced_bytes(scope) > self._max_bytes:
            await _refuse(send)
            return
        received_bytes = 0

        async def receive_limited() -> dict[str, Any]:
            nonlocal received_bytes
            event: dict[str, Any] = await receive()
            received_bytes += len(event.get("body", b""))
            if received_bytes > self._max_bytes:
                raise _TooLarge
            return event

        try:
            await self._application(scope, receive_limited, send)
        except _TooLarge:
            await _refuse(send)


class _TooLarge(Exception):
    """A body without an announced length went over the limit."""


def _announced_bytes(scope: dict[str, Any]) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"")
    # More digits than that are no length. What is announced wrongly is counted as it arrives.
    return int(length[:18]) if length.isdigit() else 0


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_LARGE})
