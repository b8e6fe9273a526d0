"""What presence is told of a subscriber: whether it is listed, and whether others must hear that it left."""

from typing import Any

import pytest

from realtime.messages import ClientInfo
from realtime.presence.memory import MemoryPresence
from realtime.testing import ManualNode
from realtime.topics.namespace import Namespace

TOPIC = "room:1"


class RecordingPresence(MemoryPresence):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    async def add(
        self, topic: str, info: ClientInfo, *, is_listed: bool = True, is_announced: bool = False
    ) -> None:
        self.calls.append(("add", topic, is_listed, is_announced))
        await super().add(topic, info, is_listed=is_listed, is_announced=is_announced)

    async def remove(self, topic: str, client: str) -> None:
        if (topic, client) == (TOPIC, "client1"):
            self.calls.append(("remove", topic))
        await super().remove(topic, client)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"presence": True}, (True, False)),
        ({"presence": True, "join_leave": True}, (True, True)),
        ({"join_leave": True}, (False, True)),
    ],
)
async def test_a_subscriber_is_kept_for_who_asks_and_for_who_is_told(
    options: dict[str, Any], flags: tuple[bool, bool]
) -> None:
    presence = RecordingPresence()
    node = ManualNode(Namespace(name="room", allow_subscribe_for_client=True, **options), presence=presence)
    client = await node.connect("alice")

    await client.subscribe(TOPIC)
    assert [call for call in presence.calls if call[0] == "add"] == [("add", TOPIC, *flags)]

    await client.unsubscribe(TOPIC)
    assert ("remove", TOPIC) in presence.calls
    assert len(presence) == 0


async def test_a_subscriber_that_nobody_asks_for_or_is_told_of_is_not_kept() -> None:
    presence = RecordingPresence()
    node = ManualNode(Namespace(name="room", allow_subscribe_for_client=True), presence=presence)
    client = await node.connect("alice")

    await client.subscribe(TOPIC)
    await client.unsubscribe(TOPIC)

    assert presence.calls == []
