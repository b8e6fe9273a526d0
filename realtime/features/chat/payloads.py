"""Rooms and messages as clients see them: one shape for HTTP answers, RPC answers and publications."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from realtime.features.chat.models import Message, Room
from realtime.features.people import Person


@dataclass(frozen=True, slots=True)
class MessagePayload:
    id: int
    room: str
    text: str
    sent_at: datetime
    client_id: UUID
    author: Person

    @classmethod
    def of(cls, message: Message) -> "MessagePayload":
        """Reads `message.room` and `message.author`: fetch them along."""
        return cls(
            id=message.pk,
            room=message.room.slug,
            text=message.text,
            sent_at=message.sent_at,
            client_id=message.client_id,
            author=Person.of(message.author),
        )


@dataclass(frozen=True, slots=True)
class RoomPayload:
    slug: str
    name: str
    description: str
    topic: str
    typing_topic: str
    last_message: MessagePayload | None

    @classmethod
    def of(cls, room: Room, *, last_message: Message | None) -> "RoomPayload":
        return cls(
            slug=room.slug,
            name=room.name,
            description=room.description,
            topic=room.topic,
            typing_topic=room.typing_topic,
            last_message=None if last_message is None else MessagePayload.of(last_message),
        )
