"""Builds the objects that a process has one of, from the settings; holds the one global.

Whoever needs the engine from outside (consumers, views, commands, features) asks `get_runtime()`.
"""

import asyncio
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from channels.layers import get_channel_layer
from django.db import DEFAULT_DB_ALIAS, connections

from realtime.conf import Settings, load_settings
from realtime.control import CONTROL_TOPIC, Control
from realtime.errors import CloseCode, ConfigurationError, LayerUnavailable, PublishUnavailable
from realtime.hook_threads import HookThreads
from realtime.hooks import Hooks
from realtime.hub import Hub
from realtime.keys.download import download
from realtime.keys.remote import RemoteKeys
from realtime.late_orders import LateOrders
from realtime.layers.base import Published, TopicLayer
from realtime.layers.redis import RedisTopicLayer
from realtime.login_store import make_logins
from realtime.node import Node
from realtime.nodes import NODES_TOPIC, NodeInfo, NodeRegistry
from realtime.orders import Order
from realtime.outbox.bell import bell
from realtime.outbox.listening import listen_forever
from realtime.outbox.relay import Relay
from realtime.outbox.store import DatabaseStore
from realtime.permissions import Permissions
from realtime.presence.base import Presence
from realtime.presence.memory import MemoryPresence
from realtime.presence.redis import RedisPresence
from realtime.publishing import Prepared, Publisher
from realtime.rate_limits.base import RateLimiter
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.rate_limits.redis import RedisRateLimiter
from realtime.rate_limits.throttle import Throttle
from realtime.rechecks import Rechecks
from realtime.rpc import methods
from realtime.sessions import Sessions
from realtime.surveys import Surveys
from realtime.tokens import TokenSigner, TokenVerifier
from realtime.topics.registry import NamespaceRegistry, namespaces

logger = logging.getLogger(__name__)

# A publish that has not come back by then never will: the loop is stuck or gone.
PUBLISH_TIMEOUT_SECONDS = 10


def build_namespaces(settings: Settings) -> NamespaceRegistry:
    """What the features registered, and the settings' on top. Raises ConfigurationError."""
    registry = namespaces.copy()
    for namespace in settings.namespaces:
        registry.register(namespace)
    return registry


class Runtime:
    """The engine of this process. `start()` binds it to the running loop; it may be called again."""

    def __init__(self, settings: Settings, layer: TopicLayer) -> None:
        self.settings = settings
        self.layer = layer
        self.is_draining = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hook_threads = HookThreads(settings.hook_threads)
        registry = build_namespaces(settings)
        hooks = Hooks(run_blocking=self._hook_threads.run)
        # What the engine does beside the sessions: started here, ended by stop().
        self._tasks: set[asyncio.Task[None]] = set()
        rng = random.Random()  # noqa: S311  # It spreads timers; nothing secret hangs on it.
        self.hub = Hub(
            layer=layer,
            schedule=_call_soon,
            spawn=self._spawn,
            sleep=asyncio.sleep,
            clock=time.monotonic,
            rng=rng,
        )
        self.publisher = Publisher(
            layer=layer,
            namespaces=registry,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            max_bytes=settings.max_publication_bytes,
        )
        self.outbox = _make_relay(self.publisher, rng)
        self._id = str(uuid.uuid4())
        self.presence = _make_presence(layer, settings, process_id=self._id)
        self.sessions = Sessions(limits=settings.limits)
        self.logins = make_logins(hooks)
        self.token_signer = TokenSigner(
            secret=settings.token_hmac_secret,
            clock=time.time,
            audience=settings.token_audience,
            issuer=settings.token_issuer,
        )
        self.throttle = Throttle(settings.rates, limiter=_make_rate_limiter(layer), clock=time.monotonic)
        permissions = Permissions(hooks=hooks, is_insecure=settings.insecure_client)
        self.node = Node(
            version=f"Switchboard {_own_version()}",
            limits=settings.limits,
            namespaces=registry,
            layer=layer,
            hub=self.hub,
            publisher=self.publisher,
            presence=self.presence,
            tokens=TokenVerifier(
                secret=settings.token_hmac_secret,
                clock=time.time,
                public_keys=[
                    key
                    for key in (settings.token_rsa_public_key, settings.token_ecdsa_public_key)
                    if key is not None
                ],
                remote_keys=self._make_remote_keys(settings.token_jwks_url),
                audience=settings.token_audience,
                issuer=settings.token_issuer,
                leeway_seconds=settings.token_leeway_seconds,
            ),
            methods=methods,
            hooks=hooks,
            permissions=permissions,
            rechecks=Rechecks(
                permissions=permissions,
                spawn=self._spawn,
                sleep=asyncio.sleep,
                # Half of the threads stay for what clients are waiting for.
                most_at_once=max(1, settings.hook_threads // 2),
            ),
            sessions=self.sessions,
            throttle=self.throttle,
            clock=time.time,
            monotonic=time.monotonic,
            new_id=lambda: str(uuid.uuid4()),
            rng=rng,
            allows_anonymous=settings.allow_anonymous_connect,
            subscribes_to_personal_topic=settings.subscribe_to_personal_topic,
            logins=self.logins,
        )
        self.control = Control(
            layer=layer,
            hub=self.hub,
            sessions=self.sessions,
            namespaces=registry,
            clock_ms=lambda: time.time_ns() // 1_000_000,
        )
        self._late_orders = LateOrders(send=self.control.send, spawn=self._spawn, sleep=asyncio.sleep)
        # One machine may run several.
        self._name = f"{settings.node_name or socket.gethostname()}:{os.getpid()}"
        self._started_at = time.time()
        self.nodes = NodeRegistry(
            layer=layer,
            hub=self.hub,
            describe=self.describe,
            interval_seconds=settings.node_announce_interval_seconds,
            monotonic=time.monotonic,
            rng=self.node.rng,
        )
        self.surveys = Surveys(
            layer=layer,
            hub=self.hub,
            nodes=self.nodes.nodes,
            process_id=self._id,
            spawn=self._spawn,
        )

    @property
    def is_ready(self) -> bool:
        """Whether a load balancer should send clients here. Not before orders reach their sessions."""
        return self._loop is not None and self.control.is_listening and not self.is_draining

    def start(self) -> None:
        """Called on the loop that serves the sockets, before anything else happens on it."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._loop = loop
        self.presence.start()
        self.control.start()
        self.nodes.start()
        self.surveys.start()
        if self.settings.outbox_relay:
            self.outbox.start()
        if self.layer.is_shared:
            # In a single process nothing is lost between the log and the hub.
            self._spawn(self.hub.watch_positions(interval_seconds=self.settings.position_check_seconds))

    async def drain(self, *, delay_seconds: float | None = None) -> None:
        """Turns unready, waits until load balancers have seen it, then closes all in a spread (3001).

        Pass `delay_seconds` where another process serves on, so that there is less to see.
        """
        self.is_draining = True
        if len(self.sessions):
            delay = self.settings.shutdown_delay_seconds if delay_seconds is None else delay_seconds
            await asyncio.sleep(delay)
        await self.sessions.drain(
            code=CloseCode.SHUTDOWN,
            spread_seconds=self.settings.shutdown_spread_seconds,
            sleep=asyncio.sleep,
        )

    async def stop(self) -> None:
        await self.outbox.stop()
        await self.nodes.stop()
        await self.surveys.stop()
        await self.control.stop()
        await self._end_tasks()
        await self.presence.close()
        await self.layer.close()
        self._hook_threads.stop()
        self._loop = None

    def publish_blocking(self, topic: str, data: bytes, *, idempotency_key: str = "") -> Published:
        """`publisher.publish` for code that cannot await: views, signals, commands, tasks.

        Over Redis it works in every process; with the memory layer only in a thread of the one that
        serves the clients. Returns when the publication is in the log. Raises what `publish` raises,
        and PublishUnavailable where this process cannot reach any client.
        """
        self._check_may_block("publish_blocking()", instead="publisher.publish(…)")
        return self._publish_blocking(self.publisher.prepare(topic, data), idempotency_key)

    def send_order_blocking(self, order: Order) -> None:
        """`control.send` likewise, with the orders of realtime/orders.py."""
        self._check_may_block("send_order_blocking()", instead="control.send(…)")
        self._publish_blocking(self.control.prepare(order))

    def send_order_in_time(self, order: Order) -> None:
        """The same, but where the layer is away the order waits for it, if this process serves clients."""
        try:
            self.send_order_blocking(order)
        except LayerUnavailable as error:
            loop = self._loop
            if loop is None or not loop.is_running():
                raise
            logger.warning("an order waits until the layer is back: %s", error)
            loop.call_soon_threadsafe(self._late_orders.add, order)

    def describe(self) -> NodeInfo:
        """This process as it is now, for the others."""
        own_topics = (CONTROL_TOPIC, NODES_TOPIC, *self.surveys.own_topics)
        return NodeInfo(
            id=self._id,
            name=self._name,
            version=self.node.version,
            started_at=self._started_at,
            clients=self.sessions.connected,
            users=self.sessions.users,
            topics=len(self.hub) - sum(topic in self.hub for topic in own_topics),
            subscriptions=self.hub.subscriptions,
            is_draining=self.is_draining,
        )

    def _check_may_block(self, call: str, *, instead: str) -> None:
        loop = self._loop
        if loop is not None and _running_loop() is loop:
            raise PublishUnavailable(
                f"{call} would block the event loop here; use `await get_runtime().{instead}`."
            )
        if self.layer.blocking is None and (loop is None or not loop.is_running()):
            raise PublishUnavailable(
                "This process serves no clients, and the memory layer reaches only those of its own "
                "process. Publish from the server's process, or set REDIS_URL."
            )

    def _publish_blocking(self, prepared: Prepared, idempotency_key: str = "") -> Published:
        topic, publication, history = prepared.topic, prepared.publication, prepared.history
        blocking, loop = self.layer.blocking, self._loop
        if blocking is not None:
            return blocking.publish(topic, publication, history=history, idempotency_key=idempotency_key)
        if loop is None:
            # It was there just now.
            raise PublishUnavailable("This process is stopping.")
        publishing = self.layer.publish(topic, publication, history=history, idempotency_key=idempotency_key)
        return asyncio.run_coroutine_threadsafe(publishing, loop).result(PUBLISH_TIMEOUT_SECONDS)

    def _make_remote_keys(self, url: str) -> RemoteKeys | None:
        if not url:
            return None
        return RemoteKeys(
            # Not in the pool of the hooks: a provider that hangs would take one of their threads.
            fetch=lambda: asyncio.to_thread(download, url),
            clock=time.monotonic,
            spawn=self._spawn,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the engine failed", exc_info=task.exception())

    async def _end_tasks(self) -> None:
        # A task that belongs to another loop ended with it.
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _make_presence(layer: TopicLayer, settings: Settings, *, process_id: str) -> Presence:
    if isinstance(layer, RedisTopicLayer):
        return RedisPresence(layer, process_id=process_id, lease_seconds=settings.presence_lease_seconds)
    return MemoryPresence()


def _make_relay(publisher: Publisher, rng: random.Random) -> Relay:
    hears_others = connections[DEFAULT_DB_ALIAS].vendor == "postgresql"
    return Relay(
        store=DatabaseStore(),
        publisher=publisher,
        bell=bell,
        listen=listen_forever if hears_others else None,
        # Elsewhere that is how soon another process' row is found; here only a killed relay's.
        poll_seconds=1 if hears_others else 0.25,
        clock=time.time,
        monotonic=time.monotonic,
        rng=rng,
    )


def _make_rate_limiter(layer: TopicLayer) -> RateLimiter:
    local = MemoryRateLimiter(clock=time.monotonic)
    if isinstance(layer, RedisTopicLayer):
        return RedisRateLimiter(layer, local=local, clock=time.monotonic)
    return local


def _call_soon(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(callback)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _own_version() -> str:
    try:
        return version("switchboard")
    except PackageNotFoundError:
        return "0.1.0"


_runtime: Runtime | None = None
_building = threading.Lock()


def get_runtime() -> Runtime:
    """This process' engine, built at the first call. Raises ConfigurationError."""
    global _runtime  # noqa: PLW0603  # The one global.
    if _runtime is None:
        with _building:
            if _runtime is None:
                _runtime = Runtime(load_settings(), _topic_layer())
    return _runtime


def _topic_layer() -> TopicLayer:
    layer: Any = get_channel_layer()
    if not hasattr(layer, "attach"):
        raise ConfigurationError(
            f"CHANNEL_LAYERS['default'] is {type(layer).__name__}, expected a topic layer; "
            "set its BACKEND to 'realtime.layers.memory.MemoryTopicLayer'."
        )
    topic_layer: TopicLayer = layer
    return topic_layer
