"""One process' map from topic to local subscribers, and the fan-out to them. No sockets, no session logic.

How a publication goes through:

    layer → receive() → the route's events of this tick → _flush(): encoded once per group
          → deliveries → _deliver(): the same bytes written to every connection of the group

What arrives in one loop tick leaves in one write per connection. A subscriber is *pending* while
its session reads the log: events are kept for it, and `go_live()` hands them over, so that none is
lost or doubled between the read and the first live push. A subscriber is *cut off* from the moment
at which a publication is missing: what comes behind the gap would tell its client that it had seen
all before it, so that recovery would skip what it missed.
"""

import logging
from asyncio import Lock
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from realtime.codec import Batch, Codec
from realtime.layers.base import Event, HistoryPolicy, TopicLayer
from realtime.messages import Joined, Left, Position, Publication, Push
from realtime.subscriber import Connection, Listener, Subscriber

logger = logging.getLogger(__name__)

# Writes per loop tick. A write costs about 8 µs with the kernel's share, so that a topic with very
# many subscribers holds up everybody else by no more than some 30 ms.
SLICE = 4_000
# Batches that may wait for their slices. Past this, publications come faster than slices drain
# them, and yielding would only let the queue grow: the hub then delivers without a break.
MAX_WAITING_DELIVERIES = 1_000
# Events kept for one pending subscriber while its session reads the log. More than that, and the
# reader is stuck: it is told to start over.
MAX_PENDING_EVENTS = 10_000


class _GroupKey(NamedTuple):
    codec: Codec
    wants_topic_id: bool
    wants_join_leave: bool


class _Group:
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


class _Route:
    """All that the process knows of one topic."""

    __slots__ = (
        "conflates",
        "cut_off",
        "epoch",
        "events",
        "groups",
        "id",
        "is_dirty",
        "is_subscribed",
        "listeners",
        "lock",
        "offset",
        "pending",
        "topic",
    )

    def __init__(self, topic: str, number: int, *, conflates: bool) -> None:
        self.topic = topic
        # Stands for the name in pushes to clients that asked for ids; never used twice.
        self.id = number
        self.conflates = conflates
        self.groups: dict[_GroupKey, _Group] = {}
        self.pending: dict[Subscriber, list[Event]] = {}
        # They get nothing any more, and leave soon.
        self.cut_off: set[Subscriber] = set()
        # Each with the publications that wait until its log was read; None once it hears them.
        self.listeners: dict[Listener, list[Publication] | None] = {}
        self.events: list[Event] = []
        self.is_dirty = False
        # Where the topic's log was when this process last heard of it; no epoch: not heard yet.
        self.epoch = ""
        self.offset = 0
        self.is_subscribed = False
        self.lock = Lock()

    def is_empty(self) -> bool:
        return not (self.pending or self.groups or self.cut_off or self.listeners)

    def subscribers(self) -> Iterator[Subscriber]:
        yield from list(self.pending)
        for group in list(self.groups.values()):
            yield from list(group.members)


class _Delivery:
    """One batch on its way to the connections that were live when it was made."""

    __slots__ = ("batch", "conflates", "connections", "done", "topic")

    def __init__(
        self, batch: Batch, connections: tuple[Connection, ...], *, topic: str, conflates: bool
    ) -> None:
        self.batch = batch
        self.connections = connections
        self.topic = topic
        self.conflates = conflates
        self.done = 0

    def advance(self, budget: int) -> int:
        """Writes to at most `budget` connections; returns how many it wrote to."""
        targets = self.take(budget)
        batch = self.batch
        if self.conflates:
            for connection in targets:
                connection.write_latest(self.topic, batch)
        else:
            for connection in targets:
                connection.write(batch)
        return len(targets)

    def take(self, budget: int) -> tuple[Connection, ...]:
        """The next connections, at most `budget`; the caller writes to them."""
        targets = self.connections
        if self.done or len(targets) > budget:
            targets = targets[self.done : self.done + budget]
        self.done += len(targets)
        return targets

    @property
    def is_done(self) -> bool:
        return self.done >= len(self.connections)


class Hub:
    """`schedule` runs a callback soon, after what is under way now: the loop's `call_soon`."""

    def __init__(self, *, layer: TopicLayer, schedule: Callable[[Callable[[], None]], object]) -> None:
        self._layer = layer
        self._schedule = schedule
        self._routes: dict[str, _Route] = {}
        self._dirty: list[_Route] = []
        self._deliveries: deque[_Delivery] = deque()
        self._is_scheduled = False
        self._last_id = 0
        # How many subscribers there are in all topics: counted here, as summing up would take long.
        self.subscriptions = 0
        layer.attach(self)

    def __len__(self) -> int:
        """Topics with a subscriber or a listener in this process."""
        return len(self._routes)

    def __contains__(self, topic: str) -> bool:
        return topic in self._routes

    # ── Subscribers ───────────────────────────────────────────────────────────────────────────

    async def join(self, topic: str, subscriber: Subscriber, *, conflates: bool) -> int:
        """Adds `subscriber` as pending and returns the topic's numeric id.

        From its return on, no event of the topic passes the subscriber by. Raises what the layer's
        `subscribe` raises; the subscriber is not in then.
        """
        route = self._route_of(topic, conflates=conflates)
        route.pending[subscriber] = []
        self.subscriptions += 1
        try:
            await self._subscribe(route)
        except BaseException:
            await self.leave(topic, subscriber)
            raise
        return route.id

    def _route_of(self, topic: str, *, conflates: bool) -> _Route:
        route = self._routes.get(topic)
        if route is None:
            self._last_id += 1
            route = self._routes[topic] = _Route(topic, self._last_id, conflates=conflates)
        return route

    async def _subscribe(self, route: _Route) -> None:
        # The lock orders this with a leave() that is giving the topic up just now.
        async with route.lock:
            if not route.is_subscribed:
                await self._layer.subscribe(route.topic)
                route.is_subscribed = True

    def go_live(self, topic: str, subscriber: Subscriber, position: Position) -> list[Event]:
        """Ends the pending state; returns the events that came meanwhile and lie behind `position`.

        The caller hands those to the client, in order, before it awaits anything.
        """
        route = self._routes[topic]
        # What is still waiting for its flush is already in the subscriber's own list.
        self._flush(route)
        if position.epoch and position.epoch != route.epoch:
            self._meet_log(route, subscriber, position)
        if subscriber in route.cut_off:
            # Its client recovers from `position`.
            return []
        waited = route.pending.pop(subscriber)
        key = _GroupKey(subscriber.codec, subscriber.wants_topic_id, subscriber.wants_join_leave)
        route.groups.setdefault(key, _Group()).add(subscriber)
        return [event for event in waited if _is_news(event, subscriber, position)]

    def _meet_log(self, route: _Route, subscriber: Subscriber, position: Position) -> None:
        """A subscriber has read a log that the hub has not heard from yet, or not again."""
        if any(isinstance(event, Publication) for event in route.pending.get(subscriber, ())):
            # Of another log, and which of the two is the newer cannot be known here.
            self._cut_off(route, subscriber)
        elif subscriber not in route.cut_off:
            if route.epoch:
                # The log was lost and begun anew, and no publication has said so yet.
                self._cut_off_positioned(route, but=subscriber)
            route.epoch, route.offset = position.epoch, position.offset

    async def leave(self, topic: str, subscriber: Subscriber) -> None:
        """Takes the subscriber out, pending or live; gives the topic up with the last one.

        No event of the topic reaches it from here on.
        """
        route = self._routes.get(topic)
        if route is None:
            return
        self._settle(route)
        self._take_out(route, subscriber)
        route.cut_off.discard(subscriber)
        await self._give_up_if_empty(route)

    async def _give_up_if_empty(self, route: _Route) -> None:
        if not route.is_empty():
            return
        async with route.lock:
            try:
                # Somebody may have joined while the lock was held by another.
                if route.is_empty() and route.is_subscribed:
                    # Before the call: if it fails, whoever joins next subscribes once more.
                    route.is_subscribed = False
                    await self._layer.unsubscribe(route.topic)
            finally:
                if route.is_empty() and self._routes.get(route.topic) is route:
                    del self._routes[route.topic]

    # ── Listeners ─────────────────────────────────────────────────────────────────────────────

    async def listen(self, topic: str, listener: Listener, *, history: HistoryPolicy | None) -> None:
        """From its return on, `listener` hears the topic; see Listener for what it is promised.

        `history` is what the topic's log keeps; None: it has none, and what is lost is not noticed.
        Raises what the layer's `subscribe` and `history` raise; nobody listens then.
        """
        route = self._route_of(topic, conflates=False)
        waiting: list[Publication] = []
        route.listeners[listener] = None if history is None else waiting
        try:
            await self._subscribe(route)
            if history is None:
                return
            top = (await self._layer.history(topic, policy=history, limit=0)).top
        except BaseException:
            await self.unlisten(topic, listener)
            raise
        if route.epoch != top.epoch:
            route.epoch, route.offset = top.epoch, top.offset
        route.listeners[listener] = None
        for publication in waiting:
            if publication.offset > top.offset:
                listener.hear(publication)

    async def unlisten(self, topic: str, listener: Listener) -> None:
        """It hears nothing from here on. Does nothing where it does not listen."""
        route = self._routes.get(topic)
        if route is not None:
            route.listeners.pop(listener, None)
            await self._give_up_if_empty(route)

    def count(self, topic: str) -> int:
        """Live subscribers of the topic in this process."""
        route = self._routes.get(topic)
        return 0 if route is None else sum(len(group.members) for group in route.groups.values())

    # ── Events ────────────────────────────────────────────────────────────────────────────────

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        """Called by the layer, in order; see Receiver."""
        route = self._routes.get(topic)
        if route is None:
            return
        if epoch and isinstance(event, Publication) and not self._follow(route, event, epoch):
            return
        for subscriber, waiting in list(route.pending.items()):
            if len(waiting) >= MAX_PENDING_EVENTS:
                self._cut_off(route, subscriber)
            else:
                waiting.append(event)
        if route.listeners and isinstance(event, Publication):
            for listener, missed in list(route.listeners.items()):
                if missed is None:
                    listener.hear(event)
                else:
                    missed.append(event)
        if not route.groups:
            return
        route.events.append(event)
        if not route.is_dirty:
            route.is_dirty = True
            self._dirty.append(route)
            self._wake()

    def doubt(self, topics: Iterable[str]) -> None:
        """Called by the layer; see Receiver."""

    def _follow(self, route: _Route, publication: Publication, epoch: str) -> bool:
        """Moves the route's position on. False: the publication was here before."""
        is_known = epoch == route.epoch
        if is_known and publication.offset <= route.offset:
            return False
        is_next = is_known and publication.offset == route.offset + 1
        if route.epoch and not is_next:
            logger.warning(
                "topic lost publications",
                extra={
                    "topic": route.topic,
                    "had": (route.epoch, route.offset),
                    "got": (epoch, publication.offset),
                },
            )
            self._cut_off_positioned(route)
        route.epoch, route.offset = epoch, publication.offset
        return True

    def _cut_off_positioned(self, route: _Route, *, but: Subscriber | None = None) -> None:
        for subscriber in route.subscribers():
            if subscriber.is_positioned and subscriber is not but:
                self._cut_off(route, subscriber)
        for listener in list(route.listeners):
            listener.lost()

    def _cut_off(self, route: _Route, subscriber: Subscriber) -> None:
        # What came before the gap is still the client's.
        self._settle(route)
        route.cut_off.add(subscriber)
        self._take_out(route, subscriber)
        subscriber.lose_position()

    def _take_out(self, route: _Route, subscriber: Subscriber) -> None:
        was_in = route.pending.pop(subscriber, None) is not None
        for key, group in list(route.groups.items()):
            was_in = was_in or subscriber in group.members
            group.discard(subscriber)
            if not group.members:
                del route.groups[key]
        self.subscriptions -= was_in

    # ── Fan-out ───────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        dirty, self._dirty = self._dirty, []
        for route in dirty:
            self._flush(route)
        self._deliver()

    def _flush(self, route: _Route) -> None:
        """Encodes the route's events of this tick and queues them for those who are live now."""
        route.is_dirty = False
        if not route.events:
            return
        events, route.events = route.events, []
        for key, group in route.groups.items():
            messages = [
                key.codec.encode_push(_push(route, key, event))
                for event in events
                if key.wants_join_leave or isinstance(event, Publication)
            ]
            if messages:
                self._deliveries.append(
                    _Delivery(
                        key.codec.batch(messages),
                        group.connections,
                        topic=route.topic,
                        conflates=route.conflates,
                    )
                )
        if self._deliveries:
            self._wake()

    def _settle(self, route: _Route) -> None:
        """Writes all that waits in the route, so that what is written next comes after it."""
        self._flush(route)
        for delivery in self._deliveries:
            if delivery.topic == route.topic:
                delivery.advance(len(delivery.connections))

    def _deliver(self) -> None:
        """Writes a slice of what waits, once per connection, however many topics it hears from."""
        deliveries = self._deliveries
        budget = SLICE
        together: dict[Connection, list[Batch]] = {}
        while deliveries and (budget > 0 or len(deliveries) > MAX_WAITING_DELIVERIES):
            delivery = deliveries[0]
            if delivery.conflates or (len(deliveries) == 1 and not together):
                budget -= delivery.advance(max(budget, 1))
            else:
                targets = delivery.take(max(budget, 1))
                budget -= len(targets)
                for connection in targets:
                    together.setdefault(connection, []).append(delivery.batch)
            if delivery.is_done:
                deliveries.popleft()
        for connection, batches in together.items():
            connection.write(batches[0] if len(batches) == 1 else Batch.joined(batches))
        if deliveries:
            self._wake()


def _is_news(event: Event, subscriber: Subscriber, position: Position) -> bool:
    if isinstance(event, Publication):
        return event.offset == 0 or event.offset > position.offset
    return subscriber.wants_join_leave


def _push(route: _Route, key: _GroupKey, event: Event) -> Push:
    number, channel = (route.id, "") if key.wants_topic_id else (0, route.topic)
    return push_of(event, topic_id=number, channel=channel)


def push_of(event: Event, *, topic_id: int, channel: str) -> Push:
    """The push that tells a client of `event`; either the id or the name is given."""
    match event:
        case Publication():
            return Push(id=topic_id, channel=channel, pub=event)
        case Joined():
            return Push(id=topic_id, channel=channel, join=event)
        case Left():
            return Push(id=topic_id, channel=channel, leave=event)
