"""The probe's counts for a process whose topics are in Redis."""

import asyncio
import gc

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from realtime.layers.redis import RedisTopicLayer
from realtime.presence.redis import RedisPresence
from realtime.runtime import get_runtime


async def counts(request: HttpRequest) -> JsonResponse:
    """Everything that must be as it was before, once all clients have left.

    Garbage is collected first: memory that the process holds after that is in use, or is free for what
    comes next.
    """
    gc.collect()
    runtime = get_runtime()
    assert isinstance(runtime.layer, RedisTopicLayer)
    assert isinstance(runtime.presence, RedisPresence)
    return JsonResponse(
        {
            "sessions": len(runtime.sessions),
            "users": len(runtime.sessions._by_user),
            "topics": runtime.describe().topics,
            "subscriptions": runtime.hub.subscriptions,
            "channels": sum(len(shard._subscriber._subscriptions) for shard in runtime.layer.shards),
            "present": len(runtime.presence),
            "tasks": len(asyncio.all_tasks()),
        }
    )


urlpatterns = [path("probe/counts", counts), path("", include("project.urls"))]
