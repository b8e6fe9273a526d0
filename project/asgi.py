"""The ASGI application that every server runs: HTTP to Django, WebSocket to the consumers."""

import asyncio
import atexit
import os
from typing import Any

import django
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
django.setup()

# Consumers import models, which exist only once Django is set up.
from channels.routing import ProtocolTypeRouter

from api.server.direct import ServerApi
from consumers.routing import websocket_application
from project.allowed_hosts import AllowedHosts
from project.body_limit import BodyLimit
from project.settings.environment import MAX_BODY_BYTES, TRUSTED_PROXIES
from project.trusted_proxies import TrustedProxies
from realtime.conf import load_site
from realtime.production import refuse_unsafe
from realtime.runtime import get_runtime

# `manage.py` looks at the same before it serves; daphne and others come here first.
_site = load_site()
refuse_unsafe(_site, get_runtime().settings)

# They only clean up; nobody waits for an answer any more.
ORPHANS_TIMEOUT_SECONDS = 5


async def live(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The lifespan protocol: the runtime stops with the server."""
    while (event := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{event['type']}.complete"})
    await get_runtime().stop()
    await send({"type": "lifespan.shutdown.complete"})


class Application(ProtocolTypeRouter):
    """Starts the runtime with the first call, whatever it is: daphne knows no lifespan."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        get_runtime().start()
        await super().__call__(scope, receive, send)

    def end_orphans(self) -> None:
        """Ends the tasks that daphne leaves pending when it exits with a WebSocket open.

        Otherwise the interpreter closes them while it takes itself apart, and crashes (CPython 3.11).
        """
        loop = self._loop
        if loop is None or loop.is_closed() or loop.is_running():
            return
        orphans = asyncio.all_tasks(loop)
        for task in orphans:
            task.cancel()
        if orphans:
            loop.run_until_complete(asyncio.wait(orphans, timeout=ORPHANS_TIMEOUT_SECONDS))


_networks = TRUSTED_PROXIES.read()
application = Application(
    {
        "http": TrustedProxies(
            BodyLimit(ServerApi(get_asgi_application()), max_bytes=MAX_BODY_BYTES.read()), networks=_networks
        ),
        "websocket": TrustedProxies(
            AllowedHosts(websocket_application(), allowed=_site.allowed_hosts, is_debug=_site.is_debug),
            networks=_networks,
        ),
        "lifespan": live,
    }
)
atexit.register(application.end_orphans)
