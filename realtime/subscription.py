"""One topic in one session: what the client asked for, what it got, and where it stands."""

from collections.abc import Callable
from enum import Enum, auto

from msgspec import Raw

from realtime.codec import Codec
from realtime.messages import EMPTY, ClientInfo, Position
from realtime.subscriber import Connection
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace


class State(Enum):
    """PENDING: the log is being read. LIVE: the reply is out. ENDED: no event may reach the client."""

    PENDING = auto()
    LIVE = auto()
    ENDED = auto()


class Subscription:
    """Implements the hub's Subscriber."""

    __slots__ = (
        "_on_lost_position",
        "codec",
        "connection",
        "data",
        "expires_at",
        "info",
        "is_by_rule",
        "is_positioned",
        "is_recoverable",
        "is_server_side",
        "namespace",
        "position",
        "state",
        "topic",
        "topic_id",
        "wants_join_leave",
        "wants_topic_id",
        "was_announced",
    )

    def __init__(
        self,
        *,
        topic: TopicName,
        namespace: Namespace,
        connection: Connection,
        codec: Codec,
        info: ClientInfo,
        is_server_side: bool,
        is_by_rule: bool,
        is_recoverable: bool,
        is_positioned: bool,
        wants_join_leave: bool,
        wants_topic_id: bool,
        expires_at: float | None = None,
        data: Raw = EMPTY,
        on_lost_position: "Callable[[Subscription], None]",
    ) -> None:
        self.topic = topic
        self.namespace = namespace
        self.connection = connection
        self.codec = codec
        self.info = info
        self.is_server_side = is_server_side
        # Whether it stands only for as long as the namespace's rules say yes (realtime/rechecks.py).
        self.is_by_rule = is_by_rule
        self.is_recoverable = is_recoverable
        self.is_positioned = is_positioned
        self.wants_join_leave = wants_join_leave
        self.wants_topic_id = wants_topic_id
        # Unix seconds; None: never.
        self.expires_at = expires_at
        # Sent along with the result of subscribing.
        self.data = data
        self.state = State.PENDING
        # Both are known once the hub has taken it and the log was read.
        self.topic_id = 0
        self.position = Position()
        # Whether others were told that it began, so that they must be told that it ended.
        self.was_announced = False
        self._on_lost_position = on_lost_position

    def ttl_seconds(self, now: float) -> int | None:
        """Whole seconds until it expires, at least 1; None: never."""
        return None if self.expires_at is None else max(1, int(self.expires_at - now))

    def lose_position(self) -> None:
        self._on_lost_position(self)
