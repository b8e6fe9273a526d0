"""The ASGI application that every server runs: HTTP to Django, WebSocket to the consumers."""

import os
from typing import Any

import django
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
# Consumers import models, which exist only once Django is set up.
django.setup()

from channels.routing import ProtocolTypeRouter  # noqa: E402

from consumers.routing import websocket_application  # noqa: E402
from project.body_limit import BodyLimit  # noqa: E402
from project.settings.environment import MAX_BODY_BYTES  # noqa: E402
from realtime.runtime import get_runtime  # noqa: E402


async def live(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The lifespan protocol: the runtime stops with the server."""
    while (event := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{event['type']}.complete"})
    await get_runtime().stop()
    await send({"type": "lifespan.shutdown.complete"})


class Application(ProtocolTypeRouter):
    """Starts the runtime with the first call, whatever it is: daphne knows no lifespan."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        get_runtime().start()
        await super().__call__(scope, receive, send)


application = Application(
    {
        "http": BodyLimit(get_asgi_application(), max_bytes=MAX_BODY_BYTES.read()),
        "websocket": websocket_application(),
        "lifespan": live,
    }
)
