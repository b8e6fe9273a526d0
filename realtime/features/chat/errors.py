"""Why the chat refuses something. All are the caller's fault; none is worth trying again unchanged.

    ChatError
    ├── InvalidText       a text is empty, too long or unstorable
    ├── RoomNotFound      no room has that slug
    ├── RoomExists        the name is taken, or too much like one that is
    ├── ClientIdReused    the client id belongs to a message in another room
    └── NotAllowed        the account may not write: signed out, unknown or inactive

Each text says what was got, what was expected, and the next step; it may be shown to the person.
"""


class ChatError(Exception):
    code = "chat_error"


class InvalidText(ChatError):
    code = "invalid_text"


class RoomNotFound(ChatError):
    code = "room_not_found"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no room {slug!r}. Reload the list of rooms and choose one of them.")


class RoomExists(ChatError):
    code = "room_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"A room called {name!r}, or one too much like it, exists. Choose another name.")


class ClientIdReused(ChatError):
    code = "client_id_reused"

    def __init__(self, room_slug: str) -> None:
        super().__init__(
            f"This client_id belongs to a message in {room_slug!r}. Make a new UUID for each message."
        )


class NotAllowed(ChatError):
    code = "not_allowed"

    def __init__(self) -> None:
        super().__init__("Only people with an active account may write here. Sign in and send it again.")
