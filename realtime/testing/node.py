"""A whole engine for one test: memory layer, manual time, ids that count up. No sockets, no Django."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from realtime.hooks import Hooks
from realtime.hub import Hub
from realtime.layers.base import Published, TopicLayer
from realtime.layers.memory import MemoryTopicLayer
from realtime.limits import Limits
from realtime.logins import Logins, NoLogins
from realtime.node import Node
from realtime.permissions import Permissions
from realtime.presence.base import Presence
from realtime.presence.memory import MemoryPresence
from realtime.publishing import Publisher
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.rate_limits.rates import NO_RATES, Rates
from realtime.rate_limits.throttle import Throttle
from realtime.rechecks import Rechecks
from realtime.rpc import MethodRegistry
from realtime.sessions import Sessions
from realtime.testing.client import FakeClient
from realtime.testing.clock import ManualClock
from realtime.testing.connection import TransparentCodec
from realtime.testing.scheduler import ManualScheduler
from realtime.testing.sleep import ManualSleep
from realtime.tokens import TokenSigner, TokenVerifier
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry

# Some day in 2024: tokens look real, and the two clocks cannot be taken for one another.
UNIX_START = 1_715_000_000
SECRET = "a secret of the test kit, long enough for HS256"  # noqa: S105  # It opens nothing.


async def run_at_once(function: Callable[..., Any], *args: object) -> Any:
    """In place of the pool of threads."""
    return function(*args)


class ManualNode:
    """The parts are those of a Node; `clock` drives both of its clocks, `scheduler` its hub, and
    `sleep.wake()` what of the hub waits for a time that has come; its tasks run as the loop does.

    `wrap_layer` may put something between the engine and its layer: a layer that fails or waits.
    """

    def __init__(
        self,
        *namespaces: Namespace,
        limits: Limits | None = None,
        rates: Rates | None = None,
        wrap_layer: Callable[[MemoryTopicLayer], TopicLayer] | None = None,
        presence: Presence | None = None,
        max_publication_bytes: int = 65_536,
        is_insecure: bool = False,
        allows_anonymous: bool = False,
        subscribes_to_personal_topic: bool = False,
        logins: Logins | None = None,
        seed: int = 0,
    ) -> None:
        self.clock = ManualClock()
        self.scheduler = ManualScheduler()
        self.codec = TransparentCodec()
        epochs = itertools.count(1)
        self.memory = MemoryTopicLayer(clock=self.clock, new_epoch=lambda: f"epoch{next(epochs)}")
        self.layer: TopicLayer = self.memory if wrap_layer is None else wrap_layer(self.memory)
        self.presence: Presence = MemoryPresence() if presence is None else presence
        self.methods = MethodRegistry()
        self.registry = NamespaceRegistry()
        for namespace in namespaces:
            self.registry.register(namespace)
        self.limits = limits or Limits()
        self.sessions = Sessions(limits=self.limits)
        self.sleep = ManualSleep(self.clock)
        self.tasks: set[asyncio.Task[None]] = set()
        rng = random.Random(seed)  # noqa: S311  # The same timers in every run.
        self.hub = Hub(
            layer=self.layer,
            schedule=self.scheduler,
            spawn=self._spawn,
            sleep=self.sleep,
            clock=self.clock,
            rng=rng,
        )
        self.publisher = Publisher(
            layer=self.layer,
            namespaces=self.registry,
            clock_ms=lambda: int(self.unix_now() * 1000),
            max_bytes=max_publication_bytes,
        )
        self.tokens = TokenSigner(secret=SECRET, clock=self.unix_now)
        hooks = Hooks(run_blocking=run_at_once)
        ids = itertools.count(1)
        permissions = Permissions(hooks=hooks, is_insecure=is_insecure)
        self.node = Node(
            version="test",
            limits=self.limits,
            namespaces=self.registry,
            layer=self.layer,
            hub=self.hub,
            publisher=self.publisher,
            presence=self.presence,
            tokens=TokenVerifier(secret=SECRET, clock=self.unix_now),
            methods=self.methods,
            hooks=hooks,
            permissions=permissions,
            rechecks=Rechecks(permissions=permissions, spawn=self._spawn, sleep=self.sleep),
            sessions=self.sessions,
            throttle=Throttle(
                # A test's clock stands still, and with it what a client earns.
                NO_RATES if rates is None else rates,
                limiter=MemoryRateLimiter(clock=self.clock),
                clock=self.clock,
            ),
            clock=self.unix_now,
            monotonic=self.clock,
            new_id=lambda: f"client{next(ids)}",
            rng=rng,
            allows_anonymous=allows_anonymous,
            subscribes_to_personal_topic=subscribes_to_personal_topic,
            logins=logins or NoLogins(),
        )

    def unix_now(self) -> float:
        return UNIX_START + self.clock()

    def token(
        self,
        user: str,
        *,
        ttl_seconds: float = 3600,
        info: Mapping[str, Any] | None = None,
        topics: tuple[str, ...] = (),
    ) -> str:
        return self.tokens.connection(user=user, ttl_seconds=ttl_seconds, info=info, topics=topics)

    def open(self, *, codec: TransparentCodec | None = None, login_key: str = "") -> FakeClient:
        """A client whose socket is up, and which has said nothing yet."""
        return FakeClient(self.node, codec or self.codec, login_key=login_key)

    async def connect(self, user: str = "42", *, codec: TransparentCodec | None = None) -> FakeClient:
        """A client that has connected with a token of `user`; "" needs `allows_anonymous`."""
        client = self.open(codec=codec)
        await client.connect(self.token(user) if user else "")
        return client

    async def publish(self, topic: str, data: bytes, **options: Any) -> Published:
        """By the server; clients have it when this returns."""
        published = await self.publisher.publish(topic, data, **options)
        self.scheduler.run()
        return published

    def count_left_behind(self) -> dict[str, int]:
        """What must be gone when all clients are: each kind of thing that is not, with its number."""
        kept = {
            "hub topics": len(self.hub),
            "layer subscriptions": len(self.memory._subscribed),  # noqa: SLF001  # Nobody else asks.
            "sessions": len(self.sessions),
            "callbacks": len(self.scheduler),
            "tasks": len(self.tasks),
        }
        if isinstance(self.presence, MemoryPresence):
            kept["presence topics"] = len(self.presence)
        return {what: number for what, number in kept.items() if number}

    async def advance(self, seconds: float, *clients: FakeClient) -> None:
        """Lets time pass in one leap, then does what is due in the hub and the sessions of `clients`."""
        self.clock.advance(seconds)
        self.sleep.wake()
        for client in clients:
            client.session.tick()
            await client.connection.run_jobs()
        self.scheduler.run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
