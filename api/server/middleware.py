"""Answers calls of the server API before the middleware that is for browsers. It changes no answer's body.

Sessions, cookies, CSRF and pages' headers mean nothing to a server with a key, and cost several times
what the call itself does. The views are in the URLs all the same; they answer alike from there.
"""

from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from api.errors import API_PREFIX
from api.server.views import VIEWS

_VIEWS = {f"{API_PREFIX}{name}": view for name, view in VIEWS.items()}


class ServerApiMiddleware:
    """The first in MIDDLEWARE."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = _VIEWS.get(request.path_info)
        if view is None:
            return await self._get_response(request)
        response = await view(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        # Without it the server sends chunks, each with a write of its own.
        response.headers["Content-Length"] = f"{len(response.content)}"
        return response
