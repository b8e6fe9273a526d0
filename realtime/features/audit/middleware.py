"""Tells the audit log from where the current request comes: signals do not carry it."""

from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from realtime.features.audit.log import current_ip


class AuditMiddleware:
    """Async only, so that it takes no thread."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # By then the address is that of the client, not of a proxy (project/trusted_proxies.py).
        token = current_ip.set(request.META.get("REMOTE_ADDR") or None)
        try:
            return await self._get_response(request)
        finally:
            current_ip.reset(token)
