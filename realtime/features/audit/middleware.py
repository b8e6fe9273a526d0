"""Tells the audit log which request is being answered: most signals do not carry it."""

from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from realtime.features.audit.log import current_request


class AuditMiddleware:
    """Async only, so that it takes no thread."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = current_request.set(request)
        try:
            return await self._get_response(request)
        finally:
            current_request.reset(token)
