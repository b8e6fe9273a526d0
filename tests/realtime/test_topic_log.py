"""One topic's log, held against a plain list for any sequence of what can happen to it."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime.layers.base import History, HistoryPolicy
from realtime.layers.log import TopicLog
from realtime.messages import Position, Publication

POLICIES = st.builds(
    HistoryPolicy,
    size=st.integers(1, 5),
    ttl_seconds=st.integers(1, 10),
    meta_ttl_seconds=st.integers(10, 20),
)


class LogAndList(RuleBasedStateMachine):
    """`held` is what the log should hold, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log = TopicLog("now", self.now)
        self.held: list[int] = []
        self.offset = 0
        self.expires_at = 0.0
        self.forget_at = 0.0

    def expire(self) -> None:
        if self.now >= self.expires_at:
            self.held = []

    @rule(policy=POLICIES)
    def append(self, policy: HistoryPolicy) -> None:
        self.log.append(Publication(offset=self.log.next_offset), policy, self.now)

        self.expire()
        self.offset += 1
        self.held = [*self.held, self.offset][-policy.size :]
        self.expires_at = self.now + policy.ttl_seconds
        self.forget_at = self.now + policy.meta_ttl_seconds

    @rule(
        policy=POLICIES,
        since=st.none() | st.builds(Position, st.integers(0, 30)),
        limit=st.none() | st.integers(0, 6),
        is_reverse=st.booleans(),
    )
    def read(
        self, policy: HistoryPolicy, since: Position | None, limit: int | None, is_reverse: bool
    ) -> None:
        history = self.log.read(policy, self.now, since=since, limit=limit, reverse=is_reverse)

        self.expire()
        self.forget_at = self.now + policy.meta_ttl_seconds
        assert offsets(history) == self.expected(since, limit, is_reverse=is_reverse)
        assert history.top == Position(self.offset, "now")

    def expected(self, since: Position | None, limit: int | None, *, is_reverse: bool) -> list[int]:
        if is_reverse:
            wanted = [each for each in reversed(self.held) if since is None or each < since.offset]
        else:
            wanted = [each for each in self.held if since is None or each > since.offset]
        return wanted[:limit]

    @rule(seconds=st.integers(1, 12))
    def let_time_pass(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def clear(self) -> None:
        self.log.clear()
        self.held = []

    @invariant()
    def offsets_count_up_without_gaps(self) -> None:
        assert self.log.top == Position(self.offset, "now")
        assert self.log.next_offset == self.offset + 1

    @invariant()
    def it_is_forgettable_when_empty_and_past_its_time(self) -> None:
        self.log.expire(self.now)
        self.expire()
        assert len(self.log) == len(self.held)
        assert self.log.is_forgettable(self.now) == (not self.held and self.now >= self.forget_at)


def offsets(history: History) -> list[int]:
    return [publication.offset for publication in history.publications]


TestLogAndList = LogAndList.TestCase
