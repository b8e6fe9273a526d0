"""URL → consumer: the table of contents of what can be reached over a WebSocket."""

from channels.routing import URLRouter
from django.urls import path

from consumers.centrifuge import CentrifugeConsumer
from consumers.origin import OriginGuard
from realtime.runtime import get_runtime

websocket_urls = [
    path("connection/websocket", CentrifugeConsumer.as_asgi()),
]


def websocket_application() -> OriginGuard:
    """Everything behind a socket, for project/asgi.py."""
    return OriginGuard(URLRouter(websocket_urls), get_runtime().settings.allowed_origins)
