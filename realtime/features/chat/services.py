"""What the chat does: rooms, pages of messages, sending. It knows neither HTTP nor sockets.

Every function is synchronous and takes a constant number of queries. Those that change something
publish in the same transaction: what is stored is published, and nothing else.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.text import slugify

from realtime.features.chat.errors import ClientIdReused, InvalidText, NotAllowed, RoomExists, RoomNotFound
from realtime.features.chat.models import (
    MESSAGE_TEXT_LENGTH,
    ROOM_DESCRIPTION_LENGTH,
    ROOM_NAME_LENGTH,
    Message,
    Room,
)
from realtime.features.chat.payloads import MessagePayload, RoomPayload
from realtime.outbox import publish_on_commit

ROOMS_TOPIC = "rooms:all"
MAX_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Messages of one room, oldest first; `has_more` tells of the direction that was asked for."""

    messages: Sequence[MessagePayload]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """`is_new` is False where the client id was stored before: `message` is what was stored then."""

    message: MessagePayload
    is_new: bool


def list_rooms() -> list[RoomPayload]:
    """All rooms by name, each with its newest message."""
    newest = Message.objects.filter(room=OuterRef("pk")).order_by("-id").values("id")[:1]
    rooms = list(Room.objects.annotate(last_message_id=Subquery(newest)))
    last_messages = (
        Message.objects.select_related("room", "author")
        .filter(id__in=[room.last_message_id for room in rooms if room.last_message_id is not None])
        .in_bulk()
    )
    return [RoomPayload.of(room, last_message=last_messages.get(room.last_message_id)) for room in rooms]


def create_room(*, creator: User, name: str, description: str = "") -> RoomPayload:
    """Raises InvalidText and RoomExists."""
    name = _clean(" ".join(name.split()), what="A room's name", shortest=1, longest=ROOM_NAME_LENGTH)
    description = _clean(
        description, what="A room's description", shortest=0, longest=ROOM_DESCRIPTION_LENGTH
    )
    # A name of which no letter can stand in a slug gets a random one.
    slug = slugify(name) or f"room-{secrets.token_hex(4)}"
    room = Room(slug=slug, name=name, description=description, created_by=creator)
    try:
        with transaction.atomic():
            room.save(force_insert=True)
            announce_room(room)
    except IntegrityError:
        # Both things that must be unique, the slug and the name, are made of the name.
        raise RoomExists(name) from None
    return RoomPayload.of(room, last_message=None)


def announce_room(room: Room) -> None:
    """Tells everybody about a new room. To be called in the transaction that stores it."""
    payload = RoomPayload.of(room, last_message=None)
    publish_on_commit(ROOMS_TOPIC, {"type": "room", "room": msgspec.to_builtins(payload)})


def fetch_page(*, room_slug: str, before: int | None = None, after: int | None = None, limit: int) -> Page:
    """The newest messages before an id, the oldest after one, or the newest of all. Raises RoomNotFound."""
    messages = _fetch_room(Room.objects.all(), room_slug).messages.select_related("room", "author")
    # One more than is asked for tells whether there are more.
    if after is not None:
        found = list(messages.filter(id__gt=after).order_by("id")[: limit + 1])
        shown = found[:limit]
    else:
        if before is not None:
            messages = messages.filter(id__lt=before)
        found = list(messages.order_by("-id")[: limit + 1])
        shown = found[:limit][::-1]
    return Page([MessagePayload.of(message) for message in shown], has_more=len(found) > limit)


def send_message(*, author: User, room_slug: str, text: str, client_id: UUID) -> Sent:
    """Stores a message and publishes it; with a client id that is stored already, does neither.

    Raises InvalidText, NotAllowed, RoomNotFound and ClientIdReused.
    """
    text = _clean(text, what="A message", shortest=1, longest=MESSAGE_TEXT_LENGTH)
    if not author.is_active:
        raise NotAllowed
    with transaction.atomic():
        # The lock makes the order of ids that of commits. Without it, a page read `after` an id
        # could pass over a message that commits late.
        room = _fetch_room(Room.objects.select_for_update(no_key=True), room_slug)
        message, is_new = Message.objects.select_related("room", "author").get_or_create(
            author=author, client_id=client_id, defaults={"room": room, "text": text}
        )
        if message.room_id != room.pk:
            raise ClientIdReused(message.room.slug)
        payload = MessagePayload.of(message)
        if is_new:
            publish_on_commit(room.topic, {"type": "message", "message": msgspec.to_builtins(payload)})
    return Sent(payload, is_new)


def _fetch_room(rooms: QuerySet[Room], slug: str) -> Room:
    # PostgreSQL fails when it is asked for text that it cannot store.
    room = None if "\0" in slug else rooms.filter(slug=slug).first()
    if room is None:
        raise RoomNotFound(slug)
    return room


def _clean(text: str, *, what: str, shortest: int, longest: int) -> str:
    text = text.strip()
    if not shortest <= len(text) <= longest:
        raise InvalidText(
            f"{what} has {len(text)} characters without the space around it; expected {shortest} to "
            f"{longest}. Change its length and send it again."
        )
    # PostgreSQL cannot store the first, and no encoding has the second.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidText(f"{what} has a character that cannot be stored. Remove it and send it again.")
    return text
