"""Many clients of one server, each in several topics, and the judgment over what all of them received."""

import asyncio
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self

from centrifuge import Client, ClientState, PublicationContext, SubscribedContext
from centrifuge.handlers import SubscriptionEventHandler

from realtime.messages import Position
from tests.end_to_end.faults import Faults, Logs, Trail
from tests.end_to_end.lean_client import LeanClient
from tests.end_to_end.sdk import end
from tests.tokens import sign
from tests.waiting import until

# All of them at once would wait for each other's handshakes.
STARTS_AT_ONCE = 50


class FleetClient(Protocol):
    """A client with a trail for each of its topics, and what it gave up at."""

    @property
    def trails(self) -> Mapping[str, Trail]: ...

    @property
    def failures(self) -> list[str]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def cut(self) -> None:
        """The socket is gone, and what was on its way with it."""


class SdkTrail(SubscriptionEventHandler):  # type: ignore[misc]  # The SDK ships no types.
    """Writes the trail of one subscription of the published Python SDK."""

    def __init__(self) -> None:
        self.trail = Trail()

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        if ctx.was_recovering and ctx.recovered:
            self.trail.go_on()
        else:
            self.trail.begin(Position(ctx.stream_position.offset, ctx.stream_position.epoch))

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self.trail.take(ctx.pub.offset, (json.loads(data) if isinstance(data, bytes) else data)["mark"])


class SdkClient:
    """The published Python SDK, with the trails that a LeanClient has."""

    def __init__(self, url: str, topics: Sequence[str], *, token: str, use_protobuf: bool) -> None:
        self._client = Client(
            url, token=token, use_protobuf=use_protobuf,
            # Come back at once: there is much to do in little time.
            min_reconnect_delay=0.05, max_reconnect_delay=0.5, proxy=None,
        )  # fmt: skip
        handlers = {topic: SdkTrail() for topic in topics}
        self.trails: dict[str, Trail] = {topic: handler.trail for topic, handler in handlers.items()}
        self._subscriptions = [
            self._client.new_subscription(
                topic, events=handler, min_resubscribe_delay=0.05, max_resubscribe_delay=0.5
            )
            for topic, handler in handlers.items()
        ]

    @property
    def failures(self) -> list[str]:
        return ["the SDK gave up"] if self._client.state is ClientState.DISCONNECTED else []

    async def start(self) -> None:
        await self._client.connect()
        for subscription in self._subscriptions:
            await subscription.subscribe()

    async def stop(self) -> None:
        await end(self._client)

    def cut(self) -> None:
        connection = self._client._conn
        if connection is not None:
            connection.transport.abort()


class Fleet:
    """As an async context manager: all are subscribed when it is entered."""

    def __init__(
        self, *, port: int, lean: int, sdk: int, topics: Sequence[str], topics_each: int, rng: random.Random
    ) -> None:
        self._rng = rng

        def choose() -> list[str]:
            return rng.sample(topics, topics_each)

        url = f"ws://127.0.0.1:{port}/connection/websocket"
        self._lean = [
            LeanClient(port, choose(), token=sign(sub=f"lean{number}"), rng=rng) for number in range(lean)
        ]
        sdk_clients = [
            SdkClient(url, choose(), token=sign(sub=f"sdk{number}"), use_protobuf=bool(number % 2))
            for number in range(sdk)
        ]
        self.clients: list[FleetClient] = [*self._lean, *sdk_clients]

    def __len__(self) -> int:
        return len(self.clients)

    async def __aenter__(self) -> Self:
        try:
            for first in range(0, len(self), STARTS_AT_ONCE):
                await _start(self.clients[first : first + STARTS_AT_ONCE])
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        await asyncio.gather(*(client.stop() for client in self.clients))

    # ── What happens to it ────────────────────────────────────────────────────────────────────

    def cut(self, count: int) -> None:
        """So many clients, chosen at random, lose their sockets now."""
        for client in self._rng.sample(self.clients, count):
            client.cut()

    def choose_publisher(self) -> LeanClient:
        return self._rng.choice(self._lean)

    # ── What became of it ─────────────────────────────────────────────────────────────────────

    def trails(self) -> Iterable[tuple[str, Trail]]:
        """Topic and trail of each subscription."""
        for client in self.clients:
            yield from client.trails.items()

    @property
    def failures(self) -> list[str]:
        return [failure for client in self.clients for failure in client.failures]

    @property
    def subscriptions(self) -> int:
        return sum(1 for _ in self.trails())

    @property
    def deliveries(self) -> int:
        return sum(len(stretch.offsets) for _, trail in self.trails() for stretch in trail.stretches)

    @property
    def told(self) -> int:
        return sum(trail.told for _, trail in self.trails())

    @property
    def recoveries(self) -> int:
        return sum(trail.recoveries for _, trail in self.trails())

    async def reach(self, tops: Mapping[str, Position], *, patience_seconds: float) -> None:
        """Until every client stands at the top of each of its topics. Raises TimeoutError."""
        await until(
            lambda: all(trail.position == tops[topic] for topic, trail in self.trails()), patience_seconds
        )

    def add_to(self, logs: Logs) -> None:
        """What each client got is evidence, too: all must have got the same."""
        for topic, trail in self.trails():
            for stretch in trail.stretches:
                logs.add(topic, stretch.start.epoch, zip(stretch.offsets, stretch.marks, strict=True))

    def faults(self, tops: Mapping[str, Position]) -> Faults:
        total = Faults()
        for topic, trail in self.trails():
            *ended, last = trail.stretches
            total = sum((stretch.faults(None) for stretch in ended), total) + last.faults(tops[topic])
        return total

    def rest(self) -> None:
        """Forgets what was received: judged anew from where everybody is."""
        for _, trail in self.trails():
            trail.rest()


async def _start(clients: Sequence[FleetClient]) -> None:
    """Returns when they are subscribed."""
    for client in clients:
        await client.start()
    await until(lambda: all(trail.has_begun for client in clients for trail in client.trails.values()))
