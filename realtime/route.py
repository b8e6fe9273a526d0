"""What one process knows of one topic: who hears it, who waits, where its log stands. It moves nothing."""

import logging
from asyncio import Lock
from collections import deque
from typing import NamedTuple, TypeAlias, TypeGuard

from realtime.codec import Codec
from realtime.layers.base import Event, HistoryPolicy
from realtime.messages import Position, Publication
from realtime.subscriber import Connection, Listener, Subscriber

logger = logging.getLogger(__name__)


def is_placed(event: Event) -> TypeGuard[Publication]:
    """Whether it stands in a log: a publication with an offset."""
    return isinstance(event, Publication) and event.offset > 0


class GroupKey(NamedTuple):
    codec: Codec
    wants_topic_id: bool
    wants_join_leave: bool


class Group:
    """Live subscribers of a topic that get the very same bytes."""

    __slots__ = ("_connections", "members")

    def __init__(self) -> None:
        self.members: dict[Subscriber, None] = {}
        self._connections: tuple[Connection, ...] | None = None

    def add(self, subscriber: Subscriber) -> None:
        self.members[subscriber] = None
        self._connections = None

    def discard(self, subscriber: Subscriber) -> None:
        self.members.pop(subscriber, None)
        self._connections = None

    @property
    def connections(self) -> tuple[Connection, ...]:
        if self._connections is None:
            self._connections = tuple(member.connection for member in self.members)
        return self._connections


class Ear:
    """A listener's place in a route. It is positioned, as it were."""

    __slots__ = ("_listener", "is_live")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.is_live = False

    def hear(self, event: Event) -> None:
        if isinstance(event, Publication):
            try:
                self._listener.hear(event)
            except Exception:  # The fan-out must not end because of one who only listens.
                logger.exception("a listener failed")

    def lose_position(self) -> None:
        try:
            self._listener.lost()
        except Exception:  # As above.
            logger.exception("a listener failed")


Member: TypeAlias = Subscriber | Ear


class Pending:
    """Events kept for a member that is not live yet: its log is being read (no position so far), or
    it has read what the route has not reached, and *waits* until both are at the same offset."""

    __slots__ = ("_ahead", "events", "position", "tail")

    def __init__(self) -> None:
        self.events: list[Event] = []
        # Behind a hole in what came, in order.
        self._ahead: deque[Publication] = deque()
        self.position: Position | None = None
        # The newest publication that it has, of the log or kept here.
        self.tail = 0

    def __len__(self) -> int:
        return len(self.events) + len(self._ahead)

    def all_events(self) -> list[Event]:
        return [*self.events, *self._ahead]

    def add(self, event: Event, epoch: str) -> None:
        """`epoch` is the route's."""
        if not is_placed(event):
            self.events.append(event)
        elif self.position is None:
            if event.offset > self.tail:
                self.events.append(event)
                self.tail = event.offset
        elif self.position.epoch == epoch:
            self._take(event)

    def begin(self, position: Position, epoch: str) -> None:
        """The log was read up to `position`: what was kept before it is no news."""
        kept, self.events = self.events, []
        self.position, self.tail = position, position.offset
        for event in kept:
            self.add(event, epoch)

    def forget(self) -> None:
        """The log that the kept publications stand in is no more."""
        self.events = [event for event in self.events if not is_placed(event)]
        self._ahead.clear()
        self.tail = 0

    def _take(self, publication: Publication) -> None:
        ahead = self._ahead
        if publication.offset > self.tail + 1:
            if not ahead or publication.offset > ahead[-1].offset:
                ahead.append(publication)
            return
        self._append_if_next(publication)
        while ahead and ahead[0].offset <= self.tail + 1:
            self._append_if_next(ahead.popleft())

    def _append_if_next(self, publication: Publication) -> None:
        if publication.offset == self.tail + 1:
            self.events.append(publication)
            self.tail = publication.offset


class Repair:
    """A look at the topic's log that is due or under way."""

    __slots__ = (
        "asked_epoch",
        "attempts",
        "expected_offset",
        "is_again",
        "is_holding",
        "is_optional",
        "is_reading",
        "kept",
        "seen",
        "waiting",
    )

    def __init__(self, *, is_optional: bool) -> None:
        # Whether it may be left to the next round where the layer is away.
        self.is_optional = is_optional
        # From the first gap on, everything that comes is kept, each with its epoch.
        self.is_holding = False
        self.kept: deque[tuple[Event, str]] = deque()
        self.attempts = 0
        # Whether one more read must follow the one that is under way.
        self.is_again = False
        self.is_reading = False
        # As it was when the read began: the log must be at `expected_offset` by then at the least,
        # and the first `seen` of what is kept were here already.
        self.asked_epoch = ""
        self.expected_offset = 0
        self.seen = 0
        self.waiting: set[Member] = set()

    def hold(self, event: Event, epoch: str) -> None:
        self.is_holding = True
        self.is_optional = False
        self.kept.append((event, epoch))

    def begin_reading(self, route: "Route") -> Position:
        """Returns where to read from."""
        self.is_reading, self.is_again = True, False
        self.asked_epoch = route.epoch
        self.seen = len(self.kept)
        waiting = route.waiting()
        self.waiting = set(waiting)
        tails = [
            each.tail for each in waiting.values() if each.position and each.position.epoch == route.epoch
        ]
        kept = [event.offset for event, epoch in self.kept if is_placed(event) and epoch == route.epoch]
        self.expected_offset = max([route.offset, *tails, *kept])
        return Position(min([route.offset, *tails]), route.epoch)


class Route:
    """One topic. The hub makes it with the first who joins, and forgets it with the last."""

    __slots__ = (
        "check_at",
        "conflates",
        "cut_off",
        "ears",
        "epoch",
        "events",
        "groups",
        "history",
        "id",
        "is_dirty",
        "is_doubted",
        "is_hurried",
        "is_subscribed",
        "lock",
        "offset",
        "pending",
        "repair",
        "seen_position",
        "topic",
    )

    def __init__(self, topic: str, number: int, *, conflates: bool) -> None:
        self.topic = topic
        # Stands for the name in pushes to clients that asked for ids; never used twice.
        self.id = number
        self.conflates = conflates
        # What the topic's log keeps; None: it has none.
        self.history: HistoryPolicy | None = None
        self.groups: dict[GroupKey, Group] = {}
        self.pending: dict[Member, Pending] = {}
        self.ears: dict[Listener, Ear] = {}
        # They get nothing any more, and leave soon.
        self.cut_off: set[Subscriber] = set()
        self.events: list[Event] = []
        self.is_dirty = False
        self.is_subscribed = False
        self.lock = Lock()
        # When it is checked next, and where it was when the watch last looked.
        self.check_at = 0.0
        self.seen_position = Position()
        # Whether somebody who waits has had a check ordered.
        self.is_hurried = False
        self.forget_log()

    def forget_log(self) -> None:
        """What is known of the log is too old to go on from."""
        # Where the topic's log was when this process last heard of it; no epoch: not heard yet.
        self.epoch = ""
        self.offset = 0
        # Whether events may have passed by while the epoch was not known.
        self.is_doubted = False
        self.repair: Repair | None = None

    def is_empty(self) -> bool:
        return not (self.pending or self.groups or self.cut_off or self.ears)

    def waiting(self) -> dict[Member, Pending]:
        """Those whose log was read, and who have not met the route yet."""
        return {member: each for member, each in self.pending.items() if each.position is not None}

    def has_met(self, pending: Pending) -> bool:
        position = pending.position
        return position is not None and position.epoch == self.epoch and pending.tail == self.offset

    def live_positioned(self) -> list[Member]:
        members: list[Member] = [
            member for group in self.groups.values() for member in group.members if member.is_positioned
        ]
        members += [ear for ear in self.ears.values() if ear.is_live]
        return members

    def has_positioned(self) -> bool:
        return any(ear.is_live for ear in self.ears.values()) or any(
            member.is_positioned for group in self.groups.values() for member in group.members
        )

    def take_out(self, member: Member) -> bool:
        """Whether it was in, pending or live."""
        was_in = self.pending.pop(member, None) is not None
        if not isinstance(member, Ear):
            for key, group in list(self.groups.items()):
                was_in = was_in or member in group.members
                group.discard(member)
                if not group.members:
                    del self.groups[key]
        return was_in
