"""Holds routes against their topics' logs: what a route missed is read once and passed on in order.

A layer may lose events on their way to this process, and may let its log be read before they have
come. A look at the log says which it is:

    ahead of the route           what is missing is passed on, then what was kept meanwhile
    ahead, but trimmed           positioned members are cut off, others get what is there
    behind what has come here    it went back, as after a failover to a replica: the same
    of another epoch             it was lost and begun anew: the same, from its first publication on

Members who are pending meanwhile go by what they have read themselves.
"""

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from realtime.alarms import Alarms
from realtime.errors import LayerUnavailable
from realtime.feed import Feed
from realtime.layers.base import Event, History, TopicLayer
from realtime.messages import Publication
from realtime.route import Repair, Route, is_placed

logger = logging.getLogger(__name__)

# After a failover every topic is doubted at once: enough to hide the way to the layer and back,
# few enough that publishing goes on beside it.
MAX_READS = 100
# Events of one route kept until its log could be read: as many as for one reader.
MAX_KEPT_EVENTS = 10_000
# A layer that is away answers at once or after seconds; every process asks again at its own moment.
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 5.0
# How long a member may wait for what its log had before somebody looks where that remains.
HURRY_SECONDS = 1.0


class Repairs:
    def __init__(
        self,
        *,
        layer: TopicLayer,
        feed: Feed,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._layer = layer
        self._feed = feed
        self._spawn = spawn
        self._rng = rng
        self._alarms = Alarms(spawn=spawn, sleep=sleep, clock=clock)
        self._due: deque[tuple[Route, Repair]] = deque()
        self._workers = 0

    # ── What the hub asks for ─────────────────────────────────────────────────────────────────

    def check(self, route: Route) -> None:
        """Looks at the log soon, at its state from now on; once, however often it is asked for."""
        repair = route.repair
        if repair is None:
            self._begin(route, Repair(is_optional=False))
        else:
            repair.is_optional = False
            repair.is_again = repair.is_reading

    def check_if_possible(self, route: Route) -> None:
        """As check(), but a layer that is away is not asked again."""
        if route.repair is None:
            self._begin(route, Repair(is_optional=True))

    def hurry(self, route: Route) -> None:
        """Somebody waits for what is under way: looks at the log if that does not come."""
        if not route.is_hurried:
            route.is_hurried = True
            self._alarms.set(HURRY_SECONDS, partial(self._check_for_those_who_wait, route))

    def keep(self, route: Route, event: Event, epoch: str) -> None:
        """It came behind a gap, or behind what did: it is passed on when the gap is filled."""
        if route.repair is None:
            self.check(route)
        repair = route.repair
        if repair is None:
            return
        repair.hold(event, epoch)
        if len(repair.kept) > MAX_KEPT_EVENTS:
            self._stop_holding(route, repair)

    def _check_for_those_who_wait(self, route: Route) -> None:
        route.is_hurried = False
        if route.waiting():
            self.check(route)

    # ── Reading ───────────────────────────────────────────────────────────────────────────────

    def _begin(self, route: Route, repair: Repair) -> None:
        if route.history is None or not route.epoch:
            return
        route.repair = repair
        self._queue(route, repair)

    def _queue(self, route: Route, repair: Repair) -> None:
        self._due.append((route, repair))
        if self._workers < MAX_READS:
            self._workers += 1
            self._spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._due:
                route, repair = self._due.popleft()
                # The hub forgets a route's repair when it gives the topic up.
                if route.repair is repair:
                    await self._attempt(route, repair)
        finally:
            self._workers -= 1

    async def _attempt(self, route: Route, repair: Repair) -> None:
        try:
            await self._look(route, repair)
        except Exception:  # Whatever it is, the other routes must not wait for it.
            logger.exception("repair failed", extra={"topic": route.topic})
            if route.repair is repair:
                route.repair = None

    async def _look(self, route: Route, repair: Repair) -> None:
        policy = route.history
        if policy is None or route.is_empty():
            route.repair = None
            return
        since = repair.begin_reading(route)
        try:
            # Meanwhile events go on coming, and members come, go live and go.
            history = await self._layer.history(route.topic, policy=policy, since=since)
        except LayerUnavailable as error:
            logger.info("log cannot be read now: %s", error, extra={"topic": route.topic})
            self._put_off(route, repair)
        except Exception:  # A layer may raise anything, and the route must not be stuck.
            logger.exception("log cannot be read", extra={"topic": route.topic})
            self._put_off(route, repair)
        else:
            repair.is_reading, repair.attempts = False, 0
            if route.repair is repair:
                self._mend(route, repair, history)

    def _put_off(self, route: Route, repair: Repair) -> None:
        repair.is_reading = False
        if route.repair is not repair:
            return
        if repair.is_optional:
            route.repair = None
            return
        longest = min(FIRST_RETRY_SECONDS * 2**repair.attempts, LONGEST_RETRY_SECONDS)
        # Never so many that the power above would grow without a bound.
        repair.attempts = min(repair.attempts + 1, 10)
        self._alarms.set(longest * self._rng.uniform(0.5, 1), partial(self._queue, route, repair))

    # ── Mending ───────────────────────────────────────────────────────────────────────────────

    def _mend(self, route: Route, repair: Repair, history: History) -> None:
        if self._is_mended(route, repair, history):
            route.repair = None
            return
        repair.is_holding = bool(repair.kept)
        self._queue(route, repair)

    def _is_mended(self, route: Route, repair: Repair, history: History) -> bool:
        """False: the log must be read once more."""
        top = history.top
        if repair.asked_epoch != route.epoch:
            # It was given up while it was read.
            return False
        if top.epoch != route.epoch:
            self._begin_anew(route, repair, top.epoch)
            return False
        if top.offset < repair.expected_offset:
            is_whole = self._go_back(route, repair, top.offset)
        else:
            is_whole = self._catch_up(route, repair, history)
        return is_whole and self._end_waiting(route, repair, top.offset) and not repair.is_again

    def _catch_up(self, route: Route, repair: Repair, history: History) -> bool:
        missed, top = deque(history.publications), history.top.offset
        while repair.kept:
            event, epoch = repair.kept[0]
            if not is_placed(event):
                self._feed.pass_on(route, event)
            elif epoch == route.epoch:
                self._advance(route, missed, min(event.offset - 1, top))
                if event.offset > route.offset + 1:
                    # What lies between was published, and lost, after the log was read.
                    return False
                self._place(route, event)
            elif repair.seen <= 0:
                # The log was begun anew after it was read.
                return False
            # And else it is a late word of a log that was lost.
            repair.kept.popleft()
            repair.seen -= 1
        self._advance(route, missed, top)
        return True

    def _advance(self, route: Route, missed: deque[Publication], offset: int) -> None:
        """Brings the route up to `offset` with what the log has."""
        while missed and missed[0].offset <= offset:
            publication = missed.popleft()
            self._skip_to(route, publication.offset - 1)
            self._place(route, publication)
        self._skip_to(route, offset)

    def _place(self, route: Route, publication: Publication) -> None:
        if publication.offset <= route.offset:
            # Passed on before; but somebody who has read an older log may wait for it.
            self._feed.pass_to_pending(route, publication)
        else:
            route.offset = publication.offset
            self._feed.pass_on(route, publication)

    def _skip_to(self, route: Route, offset: int) -> None:
        """Does nothing where the route is there."""
        if route.offset < offset:
            self._warn(
                "topic lost publications that its log has no more", route, epoch=route.epoch, offset=offset
            )
            self._feed.cut_off_positioned(route)
            route.offset = offset

    def _go_back(self, route: Route, repair: Repair, offset: int) -> bool:
        self._warn("topic's log went back", route, epoch=route.epoch, offset=offset)
        while repair.kept and repair.seen > 0:
            event, epoch = repair.kept.popleft()
            repair.seen -= 1
            if not is_placed(event):
                self._feed.pass_on(route, event)
            elif epoch == route.epoch:
                self._skip_to(route, event.offset - 1)
                self._place(route, event)
        self._feed.cut_off_positioned(route)
        for member, pending in list(route.pending.items()):
            if pending.position is None:
                pending.forget()
            elif pending.position.epoch == route.epoch:
                self._feed.give_up(route, member, pending)
        route.offset = offset
        # What came after the read may stand in the log as it is now.
        return not repair.kept

    def _begin_anew(self, route: Route, repair: Repair, epoch: str) -> None:
        """The lost log's last publications are passed on before the new one's."""
        kept, repair.kept = repair.kept, deque()
        for event, its_epoch in kept:
            if is_placed(event) and its_epoch == route.epoch:
                self._skip_to(route, event.offset - 1)
                self._place(route, event)
            else:
                repair.kept.append((event, its_epoch))
        self._adopt(route, epoch)

    def _adopt(self, route: Route, epoch: str) -> None:
        self._warn("topic's log was lost and begun anew", route, epoch=epoch, offset=0)
        self._feed.cut_off_positioned(route)
        for member, pending in list(route.pending.items()):
            if pending.position is None:
                pending.forget()
            elif pending.position.epoch == route.epoch:
                self._feed.give_up(route, member, pending)
        route.epoch, route.offset = epoch, 0

    def _end_waiting(self, route: Route, repair: Repair, top: int) -> bool:
        """False: somebody waits for what was not in the log yet when it was read."""
        self._feed.release(route)
        is_over = True
        for member, pending in route.waiting().items():
            position = pending.position
            is_other_log = position is not None and position.epoch != route.epoch
            if member in repair.waiting and (is_other_log or pending.tail < top):
                self._feed.give_up(route, member, pending)
            else:
                is_over = False
        return is_over

    def _stop_holding(self, route: Route, repair: Repair) -> None:
        """The log cannot be read, and memory is bounded."""
        self._warn("topic's log could not be read in time", route, epoch=route.epoch, offset=route.offset)
        kept, repair.kept = repair.kept, deque()
        for event, epoch in kept:
            if not is_placed(event):
                self._feed.pass_on(route, event)
                continue
            if epoch != route.epoch:
                self._adopt(route, epoch)
            self._skip_to(route, event.offset - 1)
            self._place(route, event)
        repair.is_holding, repair.seen = False, 0
        repair.is_again = repair.is_reading

    def _warn(self, what: str, route: Route, *, epoch: str, offset: int) -> None:
        logger.warning(
            what, extra={"topic": route.topic, "had": (route.epoch, route.offset), "got": (epoch, offset)}
        )
