"""From a route's events to bytes on connections: one encoding per group, one write per tick and connection.

the route's events of this tick → flush(): encoded once per group
                                → deliveries → _deliver(): the same bytes to every connection
"""

from collections import deque
from collections.abc import Callable, Iterable

from realtime.codec import Batch
from realtime.layers.base import Event
from realtime.messages import Joined, Left, Publication, Push
from realtime.route import Route
from realtime.subscriber import Connection, Subscriber

# Writes per loop tick. A write costs about 8 µs with the kernel's share, so that a topic with very
# many subscribers holds up everybody else by no more than some 30 ms.
SLICE = 4_000
# Batches that may wait for their slices. Past this, publications come faster than slices drain
# them, and yielding would only let the queue grow: they are then delivered without a break.
MAX_WAITING_DELIVERIES = 1_000


class Delivery:
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


class FanOut:
    """`schedule` runs a callback soon, after what is under way now: the loop's `call_soon`."""

    def __init__(self, *, schedule: Callable[[Callable[[], None]], object]) -> None:
        self._schedule = schedule
        self._dirty: list[Route] = []
        self._deliveries: deque[Delivery] = deque()
        self._is_scheduled = False

    def __len__(self) -> int:
        """Batches on their way."""
        return len(self._deliveries)

    def mark(self, route: Route) -> None:
        """Its events go out at the next tick."""
        route.is_dirty = True
        self._dirty.append(route)
        self._wake()

    def flush(self, route: Route) -> None:
        """Encodes the route's events of this tick and queues them for those who are live now."""
        route.is_dirty = False
        if not route.events:
            return
        events, route.events = route.events, []
        for key, group in route.groups.items():
            messages = [
                key.codec.encode_push(_push(route, event, wants_topic_id=key.wants_topic_id))
                for event in events
                if key.wants_join_leave or isinstance(event, Publication)
            ]
            if messages:
                self._deliveries.append(
                    Delivery(
                        key.codec.batch(messages),
                        group.connections,
                        topic=route.topic,
                        conflates=route.conflates,
                    )
                )
        if self._deliveries:
            self._wake()

    def settle(self, route: Route) -> None:
        """Writes all that waits in the route, so that what is written next comes after it."""
        self.flush(route)
        for delivery in self._deliveries:
            if delivery.topic == route.topic:
                delivery.advance(len(delivery.connections))

    def hand_over(self, route: Route, subscriber: Subscriber, events: Iterable[Event]) -> None:
        """Writes `events` to one subscriber, now."""
        messages = [
            subscriber.codec.encode_push(_push(route, event, wants_topic_id=subscriber.wants_topic_id))
            for event in events
            if subscriber.wants_join_leave or isinstance(event, Publication)
        ]
        if messages:
            subscriber.connection.write(subscriber.codec.batch(messages))

    def _wake(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        dirty, self._dirty = self._dirty, []
        for route in dirty:
            self.flush(route)
        self._deliver()

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


def _push(route: Route, event: Event, *, wants_topic_id: bool) -> Push:
    topic_id, channel = (route.id, "") if wants_topic_id else (0, route.topic)
    match event:
        case Publication():
            return Push(id=topic_id, channel=channel, pub=event)
        case Joined():
            return Push(id=topic_id, channel=channel, join=event)
        case Left():
            return Push(id=topic_id, channel=channel, leave=event)
