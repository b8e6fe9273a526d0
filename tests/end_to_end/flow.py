"""A steady flow of publications into many topics, each made exactly once, whatever happens on the way."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from realtime.errors import LayerUnavailable
from realtime.messages import Position
from realtime.publishing import Publisher
from tests.end_to_end.lean_client import LeanClient
from tests.waiting import until

# Every so many publications a client makes one. It has no idempotency key and so cannot repeat it: where
# the answer is an error, nobody knows whether it happened.
CLIENT_PUBLISHES_EVERY = 5
RETRY_SECONDS = 0.05


@dataclass(slots=True)
class Made:
    """What was published, by mark: its topic and, where that is known, its position."""

    positions: dict[str, tuple[str, Position]] = field(default_factory=dict)
    by_clients: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    retries: int = 0
    # Of the retries: how many had happened the first time.
    repeats: int = 0

    def __len__(self) -> int:
        return len(self.positions) + len(self.by_clients)


class Flow:
    """`start()`, faults, `stop()`. In each topic, one publication comes after the other."""

    def __init__(
        self,
        publisher: Publisher,
        topics: Sequence[str],
        *,
        per_second: float,
        choose_client: Callable[[], LeanClient],
        rng: random.Random,
    ) -> None:
        self.made = Made()
        self._publisher = publisher
        self._topics = topics
        self._pause_seconds: float = len(topics) / per_second
        self._choose_client = choose_client
        self._rng = rng
        self._number = 0
        self._is_wanted = False
        self._feeds: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._is_wanted = True
        self._feeds = [asyncio.create_task(self._feed(topic)) for topic in self._topics]

    async def advance(self, count: int, *, patience_seconds: float = 30) -> None:
        """Until so many more publications are made."""
        goal = len(self.made) + count
        await until(lambda: len(self.made) >= goal or self._is_broken(), patience_seconds)
        if self._is_broken():
            await self.stop()

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Meanwhile every topic has a publication under way at any time."""
        pause, self._pause_seconds = self._pause_seconds, 0
        try:
            yield
        finally:
            self._pause_seconds = pause

    async def stop(self) -> None:
        """Returns when what is under way is made. Raises what went wrong."""
        self._is_wanted = False
        await asyncio.gather(*self._feeds)

    def forget(self) -> None:
        self.made = Made()

    def _is_broken(self) -> bool:
        return any(feed.done() and feed.exception() is not None for feed in self._feeds)

    async def _feed(self, topic: str) -> None:
        while self._is_wanted:
            self._number += 1
            if self._number % CLIENT_PUBLISHES_EVERY == 0:
                await self._publish_by_client(topic, f"client:{self._number}")
            else:
                await self._publish(topic, f"server:{self._number}")
            await asyncio.sleep(self._pause_seconds * self._rng.uniform(0.5, 1.5))

    async def _publish(self, topic: str, mark: str) -> None:
        data = msgspec.json.encode({"mark": mark})
        while True:
            try:
                published = await self._publisher.publish(topic, data, idempotency_key=mark)
            except LayerUnavailable:
                # It may have happened: the same key makes it happen once.
                self.made.retries += 1
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.made.positions[mark] = topic, published.position
                self.made.repeats += published.is_repeat
                return

    async def _publish_by_client(self, topic: str, mark: str) -> None:
        if await self._choose_client().publish(topic, {"mark": mark}):
            self.made.by_clients[mark] = topic
        else:
            self.made.unknown.add(mark)
