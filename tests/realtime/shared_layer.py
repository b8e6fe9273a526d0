"""One topic layer for several engines of a test, as Redis is for several processes: one log, many ends."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from realtime.errors import LayerUnavailable
from realtime.layers.base import Event, Receiver
from realtime.layers.memory import MemoryTopicLayer
from realtime.testing import ManualNode
from realtime.topics.namespace import Namespace
from tests.realtime.layers import WrappedLayer

T = TypeVar("T")


class SharedLayer:
    """`node()` makes an engine on it; its end of the layer is that node's `layer`."""

    def __init__(self) -> None:
        self.memory = MemoryTopicLayer()
        self.memory.attach(self)
        self.ends: list[LayerEnd] = []

    def node(self, *namespaces: Namespace, allows_anonymous: bool = False) -> "tuple[ManualNode, LayerEnd]":
        end = LayerEnd(self.memory)
        self.ends.append(end)
        return ManualNode(*namespaces, wrap_layer=lambda _: end, allows_anonymous=allows_anonymous), end

    # Receiver

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        for end in self.ends:
            end.receive(topic, event, epoch)

    def doubt(self, topics: object) -> None:
        raise AssertionError("the memory layer never loses anything")


class LayerEnd(WrappedLayer):
    """What one process has of the layer. `is_deaf`: its pub/sub is cut. `is_away`: no call works.

    `is_broken`: neither, and calls fail in a way that nobody expects.
    """

    is_shared = True

    def __init__(self, inner: MemoryTopicLayer) -> None:
        super().__init__(inner)
        self._receiver: Receiver | None = None
        self._topics: set[str] = set()
        self.is_away = False
        self.is_broken = False
        self.is_deaf = False

    def attach(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def subscribe(self, topic: str) -> None:
        await super().subscribe(topic)
        self._topics.add(topic)

    async def unsubscribe(self, topic: str) -> None:
        # Not in the layer below: others may follow it.
        self._topics.discard(topic)

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        if self._receiver is not None and topic in self._topics and not self.is_deaf:
            self._receiver.receive(topic, event, epoch)

    def hear_again(self) -> None:
        """Pub/sub is back, as a layer says it."""
        self.is_deaf = False
        if self._receiver is not None:
            self._receiver.doubt(list(self._topics))

    async def _call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        if self.is_away:
            raise LayerUnavailable(f"{name}: as the test wants it")
        if self.is_broken:
            raise RuntimeError(f"{name}: as the test wants it")
        return await work()
