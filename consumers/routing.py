"""URL → consumer: the table of contents of what can be reached over a WebSocket."""

from typing import Any, cast

from channels.routing import URLRouter
from django.urls import path

from consumers.centrifuge import CentrifugeConsumer
from consumers.origin import OriginGuard
from realtime.runtime import get_runtime

# Django types what it routes to as views; Channels routes to consumers by the same tables.
websocket_urls: list[Any] = [
    path("connection/websocket", cast(Any, CentrifugeConsumer.as_asgi())),
]


def websocket_application() -> OriginGuard:
    """Everything behind a socket, for project/asgi.py."""
    return OriginGuard(URLRouter(websocket_urls), get_runtime().settings.allowed_origins)
