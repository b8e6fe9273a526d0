"""A hub on a memory layer whose time, ticks and lost events are in the test's hand."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from msgspec import Raw

from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import ClientInfo, Position, Publication
from realtime.testing import FakeConnection, ManualClock, ManualScheduler, ManualSleep, TransparentCodec
from tests.realtime.layers import FailingLayer, GatedLayer, LossyLayer, settle

TOPIC = "chat:lobby"
KEPT = HistoryPolicy(size=100, ttl_seconds=60)
INFO = ClientInfo(user="alice", client="1")
NOWHERE = Position()


@dataclass(eq=False)
class FakeSubscriber:
    """Implements Subscriber (realtime/subscriber.py)."""

    codec: TransparentCodec
    connection: FakeConnection = field(default_factory=FakeConnection)
    wants_topic_id: bool = False
    wants_join_leave: bool = False
    is_positioned: bool = False
    lost: int = 0

    def lose_position(self) -> None:
        self.lost += 1

    @property
    def offsets(self) -> list[int]:
        return [push.pub.offset for push in self.connection.pushes if push.pub is not None]

    @property
    def data(self) -> list[bytes]:
        return [bytes(push.pub.data) for push in self.connection.pushes if push.pub is not None]


class FakeListener:
    """Implements Listener (realtime/subscriber.py): notes offsets, and "lost" in between."""

    def __init__(self) -> None:
        self.heard: list[int | str] = []

    def hear(self, publication: Publication) -> None:
        self.heard.append(publication.offset)

    def lost(self) -> None:
        self.heard.append("lost")


class Stage:
    """`layer` waits and fails when told to, `lossy` delivers when told to; `memory` has the logs."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sleep = ManualSleep(self.clock)
        epochs = chain(["now"], (f"later{number}" for number in count()))
        self.memory = MemoryTopicLayer(clock=self.clock, new_epoch=lambda: next(epochs))
        self.lossy = LossyLayer(self.memory)
        self.failing = FailingLayer(self.lossy)
        self.layer = GatedLayer(self.failing)
        self.scheduler = ManualScheduler()
        self.tasks: set[asyncio.Task[None]] = set()
        self.hub = Hub(
            layer=self.layer,
            schedule=self.scheduler,
            spawn=self.spawn,
            sleep=self.sleep,
            clock=self.clock,
            rng=random.Random(0),  # noqa: S311  # The same moments in every run.
        )
        self.codec = TransparentCodec()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def subscriber(self, **options: bool) -> FakeSubscriber:
        return FakeSubscriber(self.codec, **options)  # type: ignore[arg-type]  # Flags.

    async def join(self, subscriber: FakeSubscriber, topic: str = TOPIC) -> int:
        return await self.hub.join(topic, subscriber, conflates=False, history=KEPT)

    async def pending(self, **options: bool) -> FakeSubscriber:
        subscriber = self.subscriber(**options)
        await self.join(subscriber)
        return subscriber

    async def live(self, position: Position = NOWHERE, **options: bool) -> FakeSubscriber:
        subscriber = await self.pending(**options)
        self.hub.go_live(TOPIC, subscriber, position)
        return subscriber

    async def positioned(self, topic: str = TOPIC) -> FakeSubscriber:
        """As a session does it: the position is that of the log."""
        subscriber = self.subscriber(is_positioned=True)
        await self.join(subscriber, topic)
        top = (await self.memory.history(topic, policy=KEPT, limit=0)).top
        self.hub.go_live(topic, subscriber, top)
        return subscriber

    async def publish(self, *data: bytes, topic: str = TOPIC, history: HistoryPolicy | None = None) -> None:
        for each in data:
            await self.layer.publish(topic, Publication(data=Raw(each)), history=history)

    async def keep(self, times: int = 1, *, policy: HistoryPolicy = KEPT) -> None:
        """Publishes in the topic's log."""
        await self.publish(*[b"1"] * times, history=policy)

    async def lose(self, times: int = 1, *, policy: HistoryPolicy = KEPT) -> None:
        """Publishes in the topic's log, and nobody hears of it."""
        self.lossy.holds = True
        await self.keep(times, policy=policy)
        self.lossy.drop(TOPIC)
        self.lossy.holds = False

    def receive(self, offset: int, epoch: str = "now") -> None:
        """As from a layer, whatever the log has."""
        self.hub.receive(TOPIC, Publication(data=Raw(b"%d" % offset), offset=offset), epoch)

    async def run(self) -> None:
        """Everything that need not wait for a time or a gate."""
        await settle()
        self.scheduler.run()

    async def wait(self, seconds: float) -> None:
        """Time passes in small steps."""
        await settle()
        end = self.clock() + seconds
        while self.clock() < end:
            self.clock.advance(min(0.125, end - self.clock()))
            self.sleep.wake()
            await self.run()

    def left_behind(self) -> tuple[int, int, int]:
        return len(self.hub), len(self.memory._subscribed), len(self.hub._fanout)
