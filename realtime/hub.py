"""One process' map from topic to local subscribers. No sockets, no session logic.

How a publication goes through:

    layer → receive() → Feed: the route's events of this tick → FanOut: encoded once per group
                        │     → the same bytes written to every connection of the group
                        └ a gap → Repairs: the topic's log is read, once for all in this process

What arrives in one loop tick leaves in one write per connection. A subscriber is *pending* while
its session reads the log: events are kept for it, and `go_live()` writes them, so that none is lost
or doubled between the read and the first live push.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from realtime.fanout import FanOut
from realtime.feed import Feed
from realtime.layers.base import Event, HistoryPolicy, TopicLayer
from realtime.messages import Position, Publication
from realtime.repairs import Repairs
from realtime.route import Ear, Member, Pending, Route
from realtime.subscriber import Listener, Subscriber

logger = logging.getLogger(__name__)

# The watch looks at every route this often per interval, which spreads the checks of topics that
# began together; a look costs some 0.1 µs per topic.
WATCH_ROUNDS = 20


class Hub:
    """`schedule` runs a callback soon, after what is under way now: the loop's `call_soon`. `spawn`
    runs a coroutine as a task of somebody who ends it. `clock` gives seconds that never jump.
    """

    def __init__(
        self,
        *,
        layer: TopicLayer,
        schedule: Callable[[Callable[[], None]], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._layer = layer
        self._sleep = sleep
        self._clock = clock
        self._rng = rng
        self._routes: dict[str, Route] = {}
        self._last_id = 0
        # How many subscribers there are in all topics: counted here, as summing up would take long.
        self.subscriptions = 0
        self._fanout = FanOut(schedule=schedule)
        self._feed = Feed(self._fanout)
        self._repairs = Repairs(layer=layer, feed=self._feed, spawn=spawn, sleep=sleep, clock=clock, rng=rng)
        layer.attach(self)

    def __len__(self) -> int:
        """Topics with a subscriber or a listener in this process."""
        return len(self._routes)

    def __contains__(self, topic: str) -> bool:
        return topic in self._routes

    # ── Subscribers ───────────────────────────────────────────────────────────────────────────

    async def join(
        self, topic: str, subscriber: Subscriber, *, conflates: bool, history: HistoryPolicy | None
    ) -> int:
        """Adds `subscriber` as pending and returns the topic's numeric id. `history`: what its log keeps.

        From its return on, no event of the topic passes the subscriber by. Raises what the layer's
        `subscribe` raises; the subscriber is not in then.
        """
        route = self._route_of(topic, conflates=conflates, history=history)
        route.pending[subscriber] = Pending()
        self.subscriptions += 1
        try:
            await self._subscribe(route)
        except BaseException:
            await self.leave(topic, subscriber)
            raise
        return route.id

    def go_live(self, topic: str, subscriber: Subscriber, position: Position) -> None:
        """Ends the pending state: writes what came meanwhile and lies behind `position`, and all else
        after it. `position` is what the subscriber's client has; empty where no log was read.

        Where the log was ahead of what has come here, that happens when it has come.
        """
        route = self._routes[topic]
        pending = route.pending.get(subscriber)
        # None: it was cut off, and its client recovers from `position`.
        if pending is not None:
            self._begin(route, subscriber, pending, position)

    def _begin(self, route: Route, member: Member, pending: Pending, position: Position) -> None:
        if not position.epoch or route.history is None:
            self._feed.make_live(route, member, pending)
            return
        if not route.epoch:
            # The first who has read the log says where it is.
            route.epoch, route.offset = position.epoch, position.offset
        pending.begin(position, route.epoch)
        if route.has_met(pending):
            self._feed.make_live(route, member, pending)
        elif position.epoch == route.epoch:
            # What it has read is still on its way here, or what came here is older than what it has.
            self._repairs.hurry(route)
        else:
            # One of the two has an old log, and which cannot be known here.
            self._repairs.check(route)
        if route.is_doubted:
            route.is_doubted = False
            self._repairs.check(route)

    async def leave(self, topic: str, subscriber: Subscriber) -> None:
        """Takes the subscriber out, pending or live; gives the topic up with the last one.

        No event of the topic reaches it from here on.
        """
        route = self._routes.get(topic)
        if route is None:
            return
        self._feed.settle(route, subscriber)
        self.subscriptions -= route.take_out(subscriber) or subscriber in route.cut_off
        route.cut_off.discard(subscriber)
        await self._give_up_if_empty(route)

    def count(self, topic: str) -> int:
        """Subscribers of the topic in this process whose clients have their reply."""
        route = self._routes.get(topic)
        if route is None:
            return 0
        waiting = [member for member in route.waiting() if not isinstance(member, Ear)]
        return len(waiting) + sum(len(group.members) for group in route.groups.values())

    def counts(self) -> dict[str, int]:
        """Each topic with subscribers in this process, and how many they are: see count()."""
        # What the engine itself listens to has a space before its name and no subscribers.
        return {topic: count for topic in list(self._routes) if (count := self.count(topic))}

    # ── Listeners ─────────────────────────────────────────────────────────────────────────────

    async def listen(self, topic: str, listener: Listener, *, history: HistoryPolicy | None) -> None:
        """From its return on, `listener` hears the topic; see Listener for what it is promised.

        `history` is what the topic's log keeps; None: it has none, and what is lost is not noticed.
        Raises what the layer's `subscribe` and `history` raise; nobody listens then.
        """
        route = self._route_of(topic, conflates=False, history=history)
        ear = route.ears[listener] = Ear(listener)
        pending = route.pending[ear] = Pending()
        try:
            await self._subscribe(route)
            position = Position()
            if history is not None:
                position = (await self._layer.history(topic, policy=history, limit=0)).top
        except BaseException:
            await self.unlisten(topic, listener)
            raise
        # It may have been told to stop meanwhile.
        if route.pending.get(ear) is pending:
            self._begin(route, ear, pending, position)

    async def unlisten(self, topic: str, listener: Listener) -> None:
        """It hears nothing from here on. Does nothing where it does not listen."""
        route = self._routes.get(topic)
        if route is None:
            return
        ear = route.ears.pop(listener, None)
        if ear is not None:
            ear.is_live = False
            route.take_out(ear)
        await self._give_up_if_empty(route)

    # ── Topics ────────────────────────────────────────────────────────────────────────────────

    def _route_of(self, topic: str, *, conflates: bool, history: HistoryPolicy | None) -> Route:
        route = self._routes.get(topic)
        if route is None:
            self._last_id += 1
            route = self._routes[topic] = Route(topic, self._last_id, conflates=conflates)
        if history is not None:
            route.history = history
        return route

    async def _subscribe(self, route: Route) -> None:
        # The lock orders this with a leave() that is giving the topic up just now.
        async with route.lock:
            if not route.is_subscribed:
                # What was published while nobody listened has passed by.
                route.forget_log()
                for pending in route.pending.values():
                    pending.forget()
                await self._layer.subscribe(route.topic)
                route.is_subscribed = True

    async def _give_up_if_empty(self, route: Route) -> None:
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

    # ── Events ────────────────────────────────────────────────────────────────────────────────

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        """Called by the layer, in order; see Receiver."""
        route = self._routes.get(topic)
        if route is None:
            return
        repair = route.repair
        if repair is not None and repair.is_holding:
            self._repairs.keep(route, event, epoch)
            return
        if epoch and isinstance(event, Publication):
            if event.offset == route.offset + 1 and epoch == route.epoch:
                route.offset = event.offset
            elif not self._is_news(route, event, epoch):
                return
        self._feed.pass_on(route, event)

    def _is_news(self, route: Route, publication: Publication, epoch: str) -> bool:
        """Of a publication that is not the next one. False: it needs nothing more."""
        if epoch == route.epoch and publication.offset <= route.offset:
            # It was here before; but somebody who waits may have read an older log than others.
            if route.pending:
                self._feed.pass_to_pending(route, publication)
            return False
        if route.epoch:
            logger.info(
                "publications of a topic passed by",
                extra={
                    "topic": route.topic,
                    "had": (route.epoch, route.offset),
                    "got": (epoch, publication.offset),
                },
            )
            if route.history is not None:
                self._repairs.keep(route, publication, epoch)
                return False
            self._feed.cut_off_positioned(route)
        route.epoch, route.offset = epoch, publication.offset
        return True

    def doubt(self, topics: Iterable[str]) -> None:
        """Called by the layer; see Receiver."""
        for topic in topics:
            route = self._routes.get(topic)
            if route is None:
                continue
            if route.epoch:
                self._repairs.check(route)
            else:
                route.is_doubted = True

    # ── Positions ─────────────────────────────────────────────────────────────────────────────

    async def watch_positions(self, *, interval_seconds: float) -> None:
        """Looks at the logs of topics that are silent: no later publication shows that one was lost.

        Each is read about once per interval; what was lost is found within two. Never returns.
        """
        while True:
            await self._sleep(interval_seconds / WATCH_ROUNDS * self._rng.uniform(0.75, 1.25))
            try:
                if self._layer.is_available:
                    self._look_at_positions(interval_seconds)
            except Exception:  # Whatever it is, the next round must come.
                logger.exception("the watch over positions failed")

    def _look_at_positions(self, interval_seconds: float) -> None:
        now = self._clock()
        for route in list(self._routes.values()):
            if now < route.check_at:
                continue
            # The first time any moment of the interval will do, so that topics which began together
            # are not read together.
            is_first = not route.check_at
            spread = self._rng.uniform(0, 1) if is_first else self._rng.uniform(0.75, 1.25)
            route.check_at = now + interval_seconds * spread
            position = Position(route.offset, route.epoch)
            is_silent = position == route.seen_position
            route.seen_position = position
            if is_silent and not is_first and route.epoch and route.has_positioned():
                self._repairs.check_if_possible(route)
