"""The chat's three kinds of topics, and what is promised in each."""

from realtime.features.chat import rules
from realtime.topics.namespace import Namespace
from realtime.topics.registry import namespaces

# `chat:<slug>`: what is written in a room, and who is there. Written by the server alone.
CHAT = Namespace(
    name="chat",
    # A client that was away for less than an hour and 200 messages gets what it missed from the
    # log; after that the page reads the database.
    history_size=200,
    history_ttl=3600,
    force_recovery=True,
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    allow_presence_for_subscriber=True,
    allow_history_for_subscriber=True,
    can_subscribe=rules.can_enter_room,
)

# `typing:<slug>`: who is typing in a room. Nothing is kept: it is worth nothing a moment later.
TYPING = Namespace(
    name="typing",
    allow_publish_for_subscriber=True,
    can_subscribe=rules.can_enter_room,
    on_publish=rules.check_typing,
)

# `rooms:all`: rooms that were created.
ROOMS = Namespace(
    name="rooms",
    history_size=100,
    history_ttl=3600,
    force_recovery=True,
    allow_history_for_subscriber=True,
    can_subscribe=rules.can_watch_rooms,
)


def register_all() -> None:
    for namespace in (CHAT, TYPING, ROOMS):
        namespaces.register(namespace)
