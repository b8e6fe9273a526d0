"""A topic's name, taken apart. It knows nothing about options or rules."""

from dataclasses import dataclass
from functools import lru_cache

from realtime.errors import CommandError, ErrorCode

# Centrifugo's default; long enough for a UUID or two, short enough for keys and logs.
MAX_LENGTH = 255

NAMESPACE_SEPARATOR = ":"
USER_MARK = "#"
USER_SEPARATOR = ","
PRIVATE_MARK = "$"


@dataclass(frozen=True, slots=True)
class TopicName:
    """`namespace:key`; without a colon the namespace is "".

    `users` are those named after a `#` ("dialog#42,43"), None where the name has no `#`.
    `is_private`: the name begins with `$`, so that only a subscription token opens the topic.
    """

    text: str
    namespace: str
    key: str
    users: frozenset[str] | None
    is_private: bool

    @staticmethod
    def parse(text: str) -> "TopicName":
        """Raises CommandError 107 for a name that is empty, too long or not printable ASCII.

        No spaces and no control characters: names end up in logs, headers and Redis keys.
        """
        return _parse(text)

    @staticmethod
    def personal(user: str) -> "TopicName":
        """The topic that the server itself subscribes `user` to.

        Raises CommandError 107 where the user's name would make it a topic of others.
        """
        name = _parse(USER_MARK + user)
        if name.users != frozenset({user}):
            raise CommandError(ErrorCode.BAD_REQUEST, f"no personal topic for user {user!r}")
        return name

    def __str__(self) -> str:
        return self.text


# The same names come with every publish and subscribe.
@lru_cache(maxsize=4096)
def _parse(text: str) -> TopicName:
    if not 0 < len(text) <= MAX_LENGTH:
        raise CommandError(
            ErrorCode.BAD_REQUEST, f"topic name of {len(text)} characters, expected 1 to {MAX_LENGTH}"
        )
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise CommandError(ErrorCode.BAD_REQUEST, f"topic name {text!r}, expected printable ASCII, no spaces")
    is_private = text.startswith(PRIVATE_MARK)
    namespace, colon, key = text.partition(NAMESPACE_SEPARATOR)
    if not colon:
        namespace, key = "", text
    _, mark, users = key.rpartition(USER_MARK)
    return TopicName(
        text=text,
        namespace=namespace.removeprefix(PRIVATE_MARK),
        key=key,
        # Never "": so an anonymous client is called.
        users=frozenset(users.split(USER_SEPARATOR)) - {""} if mark else None,
        is_private=is_private,
    )
