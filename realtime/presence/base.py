"""The contract of presence. Every implementation is held to `realtime.testing.presence`."""

from dataclasses import dataclass
from typing import Protocol

from realtime.messages import ClientInfo


@dataclass(frozen=True, slots=True)
class PresenceStats:
    clients: int
    users: int


class Presence(Protocol):
    """A member is a client in a topic; a user with two connections is two members, one user.

    Reach: where processes share a layer they share presence; each adds and removes its own clients.
    Death: the members of a process that was killed are gone within the lease of presence, and others
    are told that they Left where that was asked for. Nobody stays because something had failed: what
    a process says of its clients becomes true as soon as the layer can be reached.
    """

    def start(self) -> None:
        """On the loop that serves the sockets, before the first add."""

    async def close(self) -> None:
        """The members of this process leave."""

    async def add(
        self, topic: str, info: ClientInfo, *, is_listed: bool = True, is_announced: bool = False
    ) -> None:
        """`info.client` is the key; adding it again replaces what was known.

        `is_listed`: whether `members` and `stats` tell of it. `is_announced`: whether others must be
        told that it Left, should its process die. Raises LayerUnavailable; it is no member then.
        """

    async def remove(self, topic: str, client: str) -> None:
        """Nothing happens where the client is no member. Never fails, and never waits for long."""

    async def members(self, topic: str) -> dict[str, ClientInfo]:
        """Client → info; a copy that the caller may keep. Raises LayerUnavailable."""

    async def stats(self, topic: str) -> PresenceStats:
        """The counts, without listing anybody. Raises LayerUnavailable."""
