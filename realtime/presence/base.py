"""The contract of presence. Every implementation is held to `realtime.testing.presence`."""

from dataclasses import dataclass
from typing import Protocol

from realtime.messages import ClientInfo


@dataclass(frozen=True, slots=True)
class PresenceStats:
    clients: int
    users: int


class Presence(Protocol):
    """A member is a client in a topic; a user with two connections is two members, one user."""

    async def add(self, topic: str, info: ClientInfo) -> None:
        """`info.client` is the key; adding it again replaces what was known."""

    async def remove(self, topic: str, client: str) -> None:
        """Nothing happens where the client is no member."""

    async def members(self, topic: str) -> dict[str, ClientInfo]:
        """Client → info; a copy that the caller may keep."""

    async def stats(self, topic: str) -> PresenceStats:
        """The counts, without listing anybody."""
