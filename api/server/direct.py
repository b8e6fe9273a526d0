"""Hands calls of the server API straight to their views, past Django's handler and its middleware.

Sessions, cookies, CSRF and pages' headers mean nothing to a server with a key. They, and the threads
through which Django's handler closes database connections that no view here holds, cost many times what
the call itself does. The views are in the URLs all the same, and answer alike from there.
"""

import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

from api.errors import API_PREFIX, INTERNAL, error_response
from api.server.views import VIEWS
from realtime.runtime import get_runtime

logger = logging.getLogger(__name__)

_VIEWS = {f"{API_PREFIX}{name}": view for name, view in VIEWS.items()}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ServerApi:
    """ASGI middleware for HTTP, right before Django's application."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = _VIEWS.get(scope["path"])
        if view is None:
            await self._application(scope, receive, send)
            return
        body = await _receive_body(receive, most=get_runtime().settings.api_max_body_bytes)
        if body is None:
            return
        await _send(send, await _answer(view, ASGIRequest(scope, BytesIO(body))))


async def _receive_body(receive: Receive, *, most: int) -> bytes | None:
    """The body, or as much as shows that it is too large; None where the client has gone."""
    parts, count = [], 0
    while count <= most:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        part: bytes = event.get("body", b"")
        parts.append(part)
        count += len(part)
        if not event.get("more_body", False):
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(
    view: Callable[[HttpRequest], Awaitable[HttpResponse]], request: HttpRequest
) -> HttpResponse:
    try:
        return await view(request)
    except Exception:  # As Django's handler would: the connection goes on with the next request.
        logger.exception("a view of the server API crashed")
        return error_response(*INTERNAL)


async def _send(send: Send, response: HttpResponse) -> None:
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"content-length", b"%d" % len(response.content)))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
