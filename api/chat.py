"""Rooms and messages over HTTP. The decisions are those of realtime.features.chat.services."""

from typing import Annotated
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import model_validator

from api.auth import account, signed_in
from api.errors import ErrorBody
from realtime.features.chat import services
from realtime.features.chat.payloads import MessagePayload, RoomPayload

router = Router(tags=["chat"], auth=signed_in)

# What a row's id can be; anything larger is no position in any room.
MAX_ID = 2**63 - 1


class RoomList(Schema):
    rooms: list[RoomPayload]


class NewRoom(Schema):
    name: str
    description: str = ""


class MessagePage(Schema):
    """Oldest first. `has_more`: there are more in the direction that was asked for."""

    messages: list[MessagePayload]
    has_more: bool


class NewMessage(Schema):
    """`client_id` is made anew for each message; a repeated one is answered with what is stored."""

    text: str
    client_id: UUID


class Window(Schema):
    """Which messages: those before an id, those after one, or the newest."""

    before: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None
    after: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None
    limit: Annotated[int, Query(ge=1, le=services.MAX_PAGE_SIZE)] = 50

    @model_validator(mode="after")
    def _has_one_direction(self) -> "Window":
        if self.before is not None and self.after is not None:
            raise ValueError("before and after exclude each other; give one of them")
        return self


@router.get("/rooms", response={200: RoomList, 401: ErrorBody})
async def list_rooms(request: HttpRequest) -> RoomList:
    return RoomList(rooms=await sync_to_async(services.list_rooms)())


@router.post("/rooms", response={201: RoomPayload, 400: ErrorBody, 401: ErrorBody, 409: ErrorBody})
async def create_room(request: HttpRequest, new: NewRoom) -> Status[RoomPayload]:
    """Creates a room and tells everybody in `rooms:all`."""
    room = await sync_to_async(services.create_room)(
        creator=account(request), name=new.name, description=new.description
    )
    return Status(201, room)


@router.get(
    "/rooms/{slug}/messages", response={200: MessagePage, 400: ErrorBody, 401: ErrorBody, 404: ErrorBody}
)
async def list_messages(request: HttpRequest, slug: str, window: Query[Window]) -> MessagePage:
    page = await sync_to_async(services.fetch_page)(
        room_slug=slug, before=window.before, after=window.after, limit=window.limit
    )
    return MessagePage(messages=list(page.messages), has_more=page.has_more)


@router.post(
    "/rooms/{slug}/messages",
    response={
        200: MessagePayload,
        201: MessagePayload,
        400: ErrorBody,
        401: ErrorBody,
        404: ErrorBody,
        409: ErrorBody,
    },
)
async def send_message(request: HttpRequest, slug: str, new: NewMessage) -> Status[MessagePayload]:
    """Stores a message and publishes it in the room's topic: 201, or 200 where it was stored already."""
    sent = await sync_to_async(services.send_message)(
        author=account(request), room_slug=slug, text=new.text, client_id=new.client_id
    )
    return Status(201 if sent.is_new else 200, sent.message)
