"""Who may do what in the chat's topics. Plain functions: the engine runs them where the ORM may be used."""

import msgspec

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.features.chat.models import Room
from realtime.revocation import recheck_on
from realtime.topics.name import TopicName


class Typing(msgspec.Struct, forbid_unknown_fields=True):
    """The one thing that clients publish by themselves: whether they are typing."""

    typing: bool


def can_enter_room(caller: Caller, topic: TopicName) -> bool:
    """Signed-in people, into rooms that exist. Serves `chat:<slug>` and `typing:<slug>`."""
    return not caller.is_anonymous and Room.objects.filter(slug=topic.key).exists()


def can_watch_rooms(caller: Caller, topic: TopicName) -> bool:
    return not caller.is_anonymous and topic.key == "all"


def watch_rows() -> None:
    """Says what rows the rules above read: who is in a room's topics leaves them when the room goes."""
    recheck_on(Room, namespaces=("chat", "typing"), topics=lambda room: [room.topic, room.typing_topic])


def check_typing(caller: Caller, topic: TopicName, data: bytes) -> bytes:
    """Raises CommandError for anything but `{"typing": true}` or `{"typing": false}`."""
    try:
        return msgspec.json.encode(msgspec.json.decode(data, type=Typing))
    except msgspec.MsgspecError as error:
        raise CommandError(ErrorCode.BAD_REQUEST, f'expected {{"typing": true}} or false: {error}') from None
