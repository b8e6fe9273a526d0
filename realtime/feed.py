"""What happens to the members of one route: they get an event, go live, are cut off. No layer, no log.

A member is *pending* while its log is read and, where the log was ahead of what has come here, until
the route has got there, too. A subscriber is *cut off* from the moment at which a publication is
missing: what comes behind the gap would tell its client that it had seen all before it, so that
recovery would skip what it missed.
"""

from realtime.fanout import FanOut
from realtime.layers.base import Event
from realtime.route import Ear, Group, GroupKey, Member, Pending, Route

# Events kept for one member while its log is read. More than that, and the reader is stuck: it is
# told to start over.
MAX_PENDING_EVENTS = 10_000


class Feed:
    def __init__(self, fanout: FanOut) -> None:
        self._fanout = fanout

    def pass_on(self, route: Route, event: Event) -> None:
        """To everybody. The route's offset is that of `event` by now, where it has one."""
        # First those who are live: who goes live with this event has it in its own list.
        if route.groups:
            route.events.append(event)
            if not route.is_dirty:
                self._fanout.mark(route)
        if route.ears:
            for ear in list(route.ears.values()):
                if ear.is_live:
                    ear.hear(event)
        if route.pending:
            self.pass_to_pending(route, event)

    def pass_to_pending(self, route: Route, event: Event) -> None:
        """Those who are live had it before."""
        for member, pending in list(route.pending.items()):
            if len(pending) >= MAX_PENDING_EVENTS:
                self.cut_off(route, member)
                continue
            pending.add(event, route.epoch)
            if route.has_met(pending):
                self.make_live(route, member, pending)

    def release(self, route: Route) -> None:
        """Makes live who waits no more."""
        for member, pending in list(route.pending.items()):
            if route.has_met(pending):
                self.make_live(route, member, pending)

    def make_live(self, route: Route, member: Member, pending: Pending) -> None:
        """What is kept goes out now, and all else after it."""
        del route.pending[member]
        if isinstance(member, Ear):
            member.is_live = True
            for event in pending.all_events():
                member.hear(event)
            return
        # What still waits for its flush is in the member's own list already.
        self._fanout.flush(route)
        self._fanout.hand_over(route, member, pending.all_events())
        key = GroupKey(member.codec, member.wants_topic_id, member.wants_join_leave)
        route.groups.setdefault(key, Group()).add(member)

    def give_up(self, route: Route, member: Member, pending: Pending) -> None:
        """It waits for what nobody has: it is told, or goes on with what there is."""
        if isinstance(member, Ear) or member.is_positioned:
            self.cut_off(route, member)
        else:
            self.make_live(route, member, pending)

    def cut_off_positioned(self, route: Route) -> None:
        """Of those who are live. Who is pending may have read in the log what is missing here."""
        for member in route.live_positioned():
            self.cut_off(route, member)

    def cut_off(self, route: Route, member: Member) -> None:
        self.settle(route, member)
        if isinstance(member, Ear):
            pending = route.pending.get(member)
            if pending is not None and pending.position is None:
                pending.events.clear()
            elif pending is not None:
                del route.pending[member]
                member.is_live = True
        else:
            route.cut_off.add(member)
            route.take_out(member)
        member.lose_position()

    def settle(self, route: Route, member: Member) -> None:
        """All that is before the gap, or before the end, is still the member's."""
        pending = route.pending.get(member)
        is_waiting = pending is not None and pending.position is not None
        if isinstance(member, Ear):
            for event in pending.events if pending is not None and is_waiting else ():
                member.hear(event)
            return
        self._fanout.settle(route)
        if pending is not None and is_waiting:
            self._fanout.hand_over(route, member, pending.events)
