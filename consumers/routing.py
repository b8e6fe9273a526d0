"""URL → consumer: the table of contents of what can be reached over a WebSocket."""

from typing import Any, cast

from channels.routing import URLRouter
from django.urls import path, re_path

from consumers.centrifuge import CentrifugeConsumer
from consumers.cookies import CookieLogins
from consumers.origin import OriginGuard
from consumers.pump import refuse
from realtime.conf import load_site_logins
from realtime.runtime import get_runtime


async def not_found(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """For every other path: Channels' router would raise, and strangers fill the log with tracebacks."""
    await refuse(scope, receive, send, status=404)


# Django types what it routes to as views; Channels routes to consumers by the same tables.
websocket_urls: list[Any] = [
    path("connection/websocket", cast(Any, CentrifugeConsumer.as_asgi())),
    re_path("", cast(Any, not_found)),
]


def websocket_application() -> OriginGuard:
    """Everything behind a socket, for project/asgi.py."""
    settings, site = get_runtime().settings, load_site_logins()
    application: Any = URLRouter(websocket_urls)
    if settings.allow_cookie_connect:
        application = CookieLogins(
            application,
            cookie_name=site.cookie_name,
            allowed_origins=settings.allowed_origins,
            needs_https=site.cookie_needs_https,
        )
    return OriginGuard(application, settings.allowed_origins)
