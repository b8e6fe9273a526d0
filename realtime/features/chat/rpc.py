"""What clients may ask of the chat over their connection."""

from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.models import User

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.features.chat import services
from realtime.features.chat.errors import ChatError, NotAllowed, RoomNotFound
from realtime.rpc import methods


class SendMessage(msgspec.Struct):
    """The data of `chat.send`; what it must look like is what POST …/messages expects."""

    room: str
    text: str
    client_id: UUID


def send(caller: Caller, data: SendMessage) -> dict[str, Any]:
    """`chat.send`: stores and publishes a message, and answers with it."""
    try:
        sent = services.send_message(
            author=_fetch_author(caller), room_slug=data.room, text=data.text, client_id=data.client_id
        )
    except (NotAllowed, RoomNotFound) as error:
        raise CommandError(ErrorCode.PERMISSION_DENIED, str(error)) from None
    except ChatError as error:
        raise CommandError(ErrorCode.BAD_REQUEST, str(error)) from None
    answer: dict[str, Any] = msgspec.to_builtins(sent.message)
    return answer


def register_all() -> None:
    methods.register("chat.send")(send)


def _fetch_author(caller: Caller) -> User:
    # A token may name users that are not rows here: whoever holds the secret makes tokens. A row's
    # id has at most 19 digits.
    is_row_id = caller.user.isdecimal() and len(caller.user) <= 19
    author = User.objects.filter(pk=int(caller.user)).first() if is_row_id else None
    if author is None:
        raise NotAllowed
    return author
