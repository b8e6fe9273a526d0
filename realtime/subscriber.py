"""Who hears a topic's events from the hub, and what the hub asks of them. No implementations."""

from typing import Protocol

from realtime.codec import Batch, Codec
from realtime.messages import Publication


class Connection(Protocol):
    """Where ready bytes go. Both calls return at once, and do nothing once the connection is closed."""

    def write(self, batch: Batch) -> None: ...

    def write_latest(self, topic: str, batch: Batch) -> None:
        """May leave out an earlier batch of the same topic that has not gone out yet."""


class Subscriber(Protocol):
    """One topic in one session, as far as the hub is concerned."""

    @property
    def codec(self) -> Codec: ...

    @property
    def connection(self) -> Connection: ...

    @property
    def wants_topic_id(self) -> bool: ...

    @property
    def wants_join_leave(self) -> bool: ...

    @property
    def is_positioned(self) -> bool: ...

    def lose_position(self) -> None:
        """Publications are missing and cannot be had: the client must be told."""


class Listener(Protocol):
    """Code of this process that hears a topic with a log. Both calls return at once and await nothing."""

    def hear(self, publication: Publication) -> None:
        """Each publication once, in order, from the log's top at the time of listening on."""

    def lost(self) -> None:
        """Publications are missing here and cannot be had. What comes next is heard all the same."""
