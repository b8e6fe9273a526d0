"""A Django app for tests only, as any project may have: a plain Channels consumer with a group. No topics.

A server has it when it runs with tests.end_to_end.settings_neighbour.
"""

from typing import Any, cast

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.apps import AppConfig
from django.urls import path

GROUP = "notes"


class NeighbourConfig(AppConfig):
    name = "tests.end_to_end.neighbour"
    label = "neighbour"

    def ready(self) -> None:
        from consumers.routing import websocket_urls  # noqa: PLC0415  # It needs the models.

        websocket_urls.insert(0, path("neighbour/notes", cast(Any, NotesConsumer.as_asgi())))


class NotesConsumer(AsyncJsonWebsocketConsumer):
    """Tells its client what is sent to the group, and the group what its client says."""

    groups = [GROUP]  # noqa: RUF012  # As Channels documents it.

    async def receive_json(self, content: Any, **_: Any) -> None:
        if content.get("to") == "me":
            await self.channel_layer.send(self.channel_name, {"type": "note", "text": content["text"]})
        else:
            await self.channel_layer.group_send(GROUP, {"type": "note", "text": content["text"]})

    async def note(self, event: Any) -> None:
        await self.send_json({"note": event["text"]})
