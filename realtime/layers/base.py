"""The contract of a topic layer. Every implementation is held to `realtime.testing.layers`.

A topic layer is a Channels channel layer too (`group_add`, `group_send`, `send`, `receive`); what
is written here is what it can do besides: keep each topic's log and reach every process' hub.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from realtime.messages import Joined, Left, Position, Publication

Event: TypeAlias = Publication | Joined | Left


@dataclass(frozen=True, slots=True)
class HistoryPolicy:
    """What a topic's log keeps: the newest `size` publications, until `ttl_seconds` after the last one.

    The position outlives them: until `meta_ttl_seconds` after the log was last written or read.
    """

    size: int
    ttl_seconds: float
    meta_ttl_seconds: float = 86_400


@dataclass(frozen=True, slots=True)
class Published:
    """Where a publication stands. `is_repeat`: the idempotency key was known, nothing was delivered."""

    position: Position
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Publications of a log, and the position of its newest one, held or not."""

    publications: list[Publication]
    top: Position


class Receiver(Protocol):
    """What a layer hands events to: the hub of this process."""

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        """`epoch` is that of the log a publication stands in, "" where the topic has none."""

    def doubt(self, topics: Iterable[str]) -> None:
        """Events of these topics may have passed this process by: look at their logs.

        Called when the connection to the layer has come back, after the topics are subscribed again.
        """


class BlockingLayer(Protocol):
    """How code without an event loop publishes in a layer. Safe in threads and after a fork."""

    def publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
    ) -> Published:
        """As TopicLayer.publish; returns when the publication is in the log."""


class TopicLayer(Protocol):
    """Order: the events of one topic reach every receiver in the order in which they were published.

    Atomicity: appending to the log, taking the next offset and broadcasting are one step per topic.
    Loss: a publication that `publish` returned a position for is in the log, and every process that
    is subscribed gets it or can see from the next offset that it did not.
    Absence: while the layer cannot be reached, `publish`, `broadcast`, `history`, `remove_history`
    and `subscribe` raise LayerUnavailable (a temporary error) within seconds; `unsubscribe` never
    does. A `publish` that raised may have happened all the same: repeat it with an idempotency key.
    """

    @property
    def is_shared(self) -> bool:
        """Whether it reaches other processes."""

    @property
    def is_available(self) -> bool:
        """Whether it can be reached now, as far as this process knows."""

    @property
    def blocking(self) -> BlockingLayer | None:
        """None where only the process that serves the clients can publish."""

    def attach(self, receiver: Receiver) -> None:
        """Names the receiver of this process. Called once, before any subscribe."""

    async def publish(
        self,
        topic: str,
        publication: Publication,
        *,
        history: HistoryPolicy | None = None,
        idempotency_key: str = "",
        idempotency_ttl_seconds: float = 300,
    ) -> Published:
        """Appends and broadcasts. Without `history` nothing is kept and the position is empty.

        A known `idempotency_key` of the same topic returns the first position and does nothing else.
        """

    async def broadcast(self, topic: str, event: Joined | Left) -> None:
        """Reaches every process once; nothing is kept."""

    async def history(
        self,
        topic: str,
        *,
        policy: HistoryPolicy,
        since: Position | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> History:
        """The publications after `since` (before it, newest first, with `reverse`), at most `limit`.

        A log that was never written gets its epoch here, so that a client which has seen nothing
        yet can recover. `since` of another epoch is the caller's business: compare with `top`.
        """

    async def remove_history(self, topic: str) -> None:
        """Forgets the publications; offsets go on counting, so nobody mistakes the gap for silence."""

    async def subscribe(self, topic: str) -> None:
        """From its return on, every event of the topic reaches the receiver of this process."""

    async def unsubscribe(self, topic: str) -> None:
        """After its return no event of the topic reaches the receiver."""

    async def close(self) -> None:
        """Lets go of connections and tasks."""
