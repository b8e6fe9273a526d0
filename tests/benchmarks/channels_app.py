"""What Switchboard is compared with: an ordinary Channels application on uvicorn and uvloop. Nobody's server.

One consumer as Channels' tutorial has it: it joins a group, and sends on what the group gets. The text
comes ready in the message, so that no consumer has to encode anything.

    python -m tests.benchmarks.channels_app --port 9001 --layer core --redis redis://127.0.0.1:6379
"""

import argparse
from typing import Any

import django
import uvicorn
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

GROUP = "bench"
LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


class Consumer(AsyncWebsocketConsumer):
    """A member of the one group."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def publication(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


def application() -> Any:
    """Any path leads to the consumer; over HTTP it only says that it is there."""
    consumer = Consumer.as_asgi()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await consumer(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An ordinary Channels application.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--layer", choices=list(LAYERS), required=True)
    parser.add_argument("--redis", required=True)
    options = parser.parse_args()
    settings.configure(
        INSTALLED_APPS=["channels"],
        CHANNEL_LAYERS={"default": {"BACKEND": LAYERS[options.layer], "CONFIG": {"hosts": [options.redis]}}},
    )
    django.setup()
    uvicorn.run(
        application(), host="127.0.0.1", port=options.port, loop="uvloop", lifespan="off", log_level="warning"
    )
