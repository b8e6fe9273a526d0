"""What a namespace's rules have answered to one session, for a few seconds. It asks nothing by itself."""

from collections.abc import Awaitable, Callable

from realtime.topics.name import TopicName

# A client that publishes often does not cost a query each time. Where the project says on what rows a
# rule depends (realtime/revocation.py), a change drops the answers at once; elsewhere this is how long
# a right outlives its end, and a refusal its grant.
YES_SECONDS = 5.0
NO_SECONDS = 1.0
# More topics than a session may be in; a client that names others all the time makes no more of them.
MAX_ANSWERS = 256


class Answers:
    """For one session. Whether it may subscribe is asked each time: the subscription is the answer kept."""

    __slots__ = ("_clock", "_known", "generation")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Rule and topic → the answer, and until when it holds. None while nothing was ever asked:
        # most sessions only listen.
        self._known: dict[tuple[str, str], tuple[bool, float]] | None = None
        # How often all was forgotten, for who began to ask before that.
        self.generation = 0

    def __len__(self) -> int:
        return len(self._known or ())

    async def get(self, rule: str, topic: TopicName, ask: Callable[[], Awaitable[bool]]) -> bool:
        """What `ask` answered a moment ago, or answers now. Raises what it raises, and keeps nothing then."""
        key = (rule, topic.text)
        known = self._known.get(key) if self._known else None
        if known is not None and self._clock() < known[1]:
            return known[0]
        generation = self.generation
        answer = await ask()
        # What it has read may have changed since.
        if generation == self.generation:
            self._keep(key, answer=answer)
        return answer

    def _keep(self, key: tuple[str, str], *, answer: bool) -> None:
        if self._known is None:
            self._known = {}
        elif key not in self._known and len(self._known) >= MAX_ANSWERS:
            del self._known[next(iter(self._known))]
        self._known[key] = (answer, self._clock() + (YES_SECONDS if answer else NO_SECONDS))

    def forget(self) -> None:
        self._known = None
        self.generation += 1
