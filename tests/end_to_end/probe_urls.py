"""Views for tests only, beside the project's own: what a server holds, and publications from inside of it."""

import asyncio

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from realtime.control import CONTROL_TOPIC
from realtime.layers.memory import MemoryTopicLayer
from realtime.nodes import NODES_TOPIC
from realtime.presence.memory import MemoryPresence
from realtime.runtime import get_runtime


async def counts(request: HttpRequest) -> JsonResponse:
    """Everything that must be as it was before, once all clients have left."""
    runtime = get_runtime()
    assert isinstance(runtime.layer, MemoryTopicLayer)
    assert isinstance(runtime.presence, MemoryPresence)
    return JsonResponse(
        {
            "sessions": len(runtime.sessions),
            "users": len(runtime.sessions._by_user),
            "topics": runtime.describe().topics,
            "subscribed": len(runtime.layer._subscribed - {CONTROL_TOPIC, NODES_TOPIC}),
            "present": len(runtime.presence),
            "tasks": len(asyncio.all_tasks()),
        }
    )


async def publish(request: HttpRequest) -> HttpResponse:
    """Publishes `count` numbered publications of about `bytes` bytes each in `topic`, a tick apart."""
    topic, size = request.GET["topic"], int(request.GET.get("bytes", 0))
    first, padding = int(request.GET.get("first", 0)), "x" * size
    for number in range(first, first + int(request.GET.get("count", 1))):
        data = msgspec.json.encode({"n": number, "padding": padding})
        await get_runtime().publisher.publish(topic, data)
        await asyncio.sleep(0)
    return HttpResponse(status=204)


urlpatterns = [
    path("probe/counts", counts),
    path("probe/publish", publish),
    path("", include("project.urls")),
]
