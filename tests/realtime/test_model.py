"""Session, hub and memory layer under random interleavings, held against a simple model.

What is promised to a client of a topic with a log: it gets every publication, in order, once; or it
is told that it cannot. The model knows what was published and what the log still holds; each client
checks what it gets as it comes. The layer's calls can be held open and let go in any order, so that
publications come between the read of the log and going live, and commands of several clients are
under way at once.

A second machine does the same over a layer that is late and loses: its log may be ahead of what has
come, events may be dropped, the log may be out of the hub's reach. There, "told" may come late, but
no later than the layer's own doubt or the watch over positions brings it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec import Raw

from realtime import fanout as fanout_module
from realtime import feed as feed_module
from realtime.errors import CloseCode, LayerUnavailable, UnsubscribeCode
from realtime.layers.base import History, HistoryPolicy, Published, TopicLayer
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import (
    Command,
    ConnectRequest,
    Position,
    Publication,
    PublishRequest,
    Push,
    Reply,
    SubscribeRequest,
    SubscribeResult,
    UnsubscribeRequest,
)
from realtime.publishing import history_policy
from realtime.repairs import HURRY_SECONDS, LONGEST_RETRY_SECONDS
from realtime.session import Session
from realtime.testing import FakeConnection, ManualNode
from realtime.topics.namespace import Namespace
from tests.realtime.layers import GatedLayer, LossyLayer, WrappedLayer, settle

SIZE, TTL_SECONDS = 4, 10
TICK_SECONDS = 0.25
# A failure is worth its smallest example, and Hypothesis looks for that for up to five minutes.
pytestmark = pytest.mark.timeout(400)

STREAM = Namespace(
    name="stream",
    history_size=SIZE,
    history_ttl=TTL_SECONDS,
    force_recovery=True,
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    allow_subscribe_for_client=True,
    allow_publish_for_client=True,
)
TOPICS = ("stream:a", "stream:b")
USERS = ("1", "2", "3")
topics, users = st.sampled_from(TOPICS), st.sampled_from(USERS)
held_calls = st.sets(st.sampled_from(["subscribe", "history", "unsubscribe", "broadcast"]))


class ModelLog:
    """What one topic's log should hold, and all that was ever published in the topic."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._expires_at = 0.0
        self._held: list[int] = []
        # Unknown until the layer has named it.
        self.epoch = ""
        self.offset = 0
        self.published: dict[Position, bytes] = {}

    def note_publication(self, position: Position, data: bytes) -> None:
        self._expire()
        self.note_top(position, offset=self.offset + 1)
        self.offset += 1
        self._held = [*self._held, self.offset][-SIZE:]
        self._expires_at = self._now() + TTL_SECONDS
        self.published[position] = data

    def note_top(self, top: Position, *, offset: int) -> None:
        """The layer says where the log stands: it must be where the model has it."""
        self.epoch = self.epoch or top.epoch
        assert top == Position(offset, self.epoch)

    def can_recover(self, since: Position) -> bool:
        self._expire()
        missed = list(range(since.offset + 1, self.offset + 1))
        is_held = since.offset <= self.offset and missed == self._held[len(self._held) - len(missed) :]
        return is_held and since.epoch in {"", self.epoch}

    def remove(self) -> None:
        self._held = []

    def lose(self) -> None:
        self._held, self.epoch, self.offset = [], "", 0

    def _expire(self) -> None:
        if self._now() >= self._expires_at:
            self._held = []


class WatchedLayer(WrappedLayer):
    """Tells the model what is published, and asks it at each read whether the client can recover."""

    def __init__(self, inner: TopicLayer) -> None:
        super().__init__(inner)
        self.logs: dict[str, ModelLog] = {}
        # By the task that read: a session reads in its worker's.
        self.verdicts: dict[asyncio.Task[Any] | None, bool] = {}

    # Whether reads fail, and of which tasks: those of the hub.
    is_away = False
    hub_tasks: set[asyncio.Task[None]]

    async def _call(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if self.is_away and name == "history" and asyncio.current_task() in self.hub_tasks:
            raise LayerUnavailable("away")
        return await work()

    async def publish(self, topic: str, publication: Publication, **options: Any) -> Published:
        published = await super().publish(topic, publication, **options)
        self.logs[topic].note_publication(published.position, bytes(publication.data))
        return published

    async def history(
        self, topic: str, *, policy: HistoryPolicy, since: Position | None = None, **options: Any
    ) -> History:
        log = self.logs[topic]
        verdict = since is not None and log.can_recover(since)
        history = await super().history(topic, policy=policy, since=since, **options)
        self.verdicts[asyncio.current_task()] = verdict
        log.note_top(history.top, offset=log.offset)
        return history


class Wire(FakeConnection):
    """Runs commands and jobs one after the other, as the pump does; notes what the model said."""

    def __init__(self, node: ManualNode, layer: WatchedLayer) -> None:
        super().__init__(node.codec)
        self._layer = layer
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self.worker: asyncio.Task[None] | None = None
        # Command id → whether the model could recover when the log was read for it.
        self.verdicts: dict[int, bool] = {}

    def submit(self, job: Callable[[], Awaitable[None]]) -> None:
        if self.close_code is None:
            self._waiting.append(job)
            if self.worker is None:
                self.worker = asyncio.get_running_loop().create_task(self._work())

    def send(self, reply: Reply) -> None:
        if reply.subscribe is not None:
            self.verdicts[reply.id] = self._layer.verdicts[asyncio.current_task()]
        super().send(reply)

    async def _work(self) -> None:
        while self._waiting:
            await self._waiting.popleft()()
        self.worker = None


class ClientTopic:
    """What one client knows of one topic, as an SDK does."""

    def __init__(self, log: ModelLog) -> None:
        self._log = log
        self.position: Position | None = None
        self.is_wanted = False
        # Between the reply that began the subscription and the reply or push that ended it.
        self.is_in = False
        self.open_subscribes = 0
        # A client that has asked to leave looks at nothing until it is told that it left.
        self.open_unsubscribes = 0

    def begin(self, result: SubscribeResult, *, can_recover: bool) -> None:
        assert not self.is_in
        self.is_in = True
        self.open_subscribes -= 1
        assert result.recovered == (result.was_recovering and can_recover)
        if self.open_unsubscribes:
            return
        if not result.recovered:
            assert result.publications == []
            self.position = Position(result.offset, result.epoch)
        for publication in result.publications:
            self._take(publication)

    def receive(self, push: Push) -> None:
        assert self.is_in, f"{push} for a client that is not in the topic"
        if push.unsubscribe is not None:
            self.is_in = False
            self.is_wanted = self.is_wanted and self.open_subscribes > 0
        elif push.pub is not None and not self.open_unsubscribes:
            self._take(push.pub)

    def _take(self, publication: Publication) -> None:
        assert self.position is not None
        self.position = Position(self.position.offset + 1, self.position.epoch)
        assert publication.offset == self.position.offset, "lost, doubled or out of order"
        assert bytes(publication.data) == self._log.published[self.position]

    def end(self) -> None:
        self.is_in = False
        self.open_unsubscribes -= 1

    def disconnect(self) -> None:
        self.is_in = self.is_wanted = False
        self.open_subscribes = self.open_unsubscribes = 0

    def check_complete(self) -> None:
        """Nothing is under way any more: what was published has come."""
        assert (self.open_subscribes, self.open_unsubscribes) == (0, 0)
        assert self.is_in == self.is_wanted
        if self.is_in and self.position is not None and self._log.epoch:
            has_all = self.position == Position(self._log.offset, self._log.epoch)
            # A log that was lost shows with its next publication.
            assert has_all or (self.position.epoch != self._log.epoch and self._log.offset == 0)


class ModelClient:
    """A user's client: it may lose its socket and come back, and knows its positions all the while."""

    def __init__(self, user: str, node: ManualNode, layer: WatchedLayer) -> None:
        self._user, self._node, self._layer = user, node, layer
        self.topics = {topic: ClientTopic(layer.logs[topic]) for topic in TOPICS}
        self._asked: dict[int, Command] = {}
        self._last_id = 0
        self._read = 0
        self.wire: Wire | None = None
        self.session: Session | None = None

    def connect(self) -> None:
        self.wire = Wire(self._node, self._layer)
        self.session = Session(node=self._node.node, connection=self.wire)
        self.session.open()
        self._asked, self._read = {}, 0
        self.ask(Command(connect=ConnectRequest(token=self._node.token(self._user))))

    def ask(self, command: Command) -> None:
        assert self.wire is not None
        session = self.session
        assert session is not None
        self._last_id += 1
        command.id = self._last_id
        self._asked[command.id] = command
        self.wire.submit(lambda: session.handle(command))

    def subscribe(self, topic: str) -> None:
        mine = self.topics[topic]
        mine.is_wanted = True
        mine.open_subscribes += 1
        since = mine.position or Position()
        request = SubscribeRequest(
            channel=topic, recover=mine.position is not None, offset=since.offset, epoch=since.epoch
        )
        self.ask(Command(subscribe=request))

    def unsubscribe(self, topic: str) -> None:
        mine = self.topics[topic]
        mine.is_wanted = False
        mine.open_unsubscribes += 1
        self.ask(Command(unsubscribe=UnsubscribeRequest(channel=topic)))

    def subscribe_again(self, topic: str) -> None:
        self.unsubscribe(topic)
        self.subscribe(topic)

    def disconnect(self) -> Coroutine[Any, Any, None]:
        """Gives back what the server's side does then."""
        assert self.wire is not None
        assert self.session is not None
        wire, session = self.wire, self.session
        wire.close(CloseCode.CLOSED)
        self.wire = self.session = None
        for topic in self.topics.values():
            topic.disconnect()

        async def clean_up() -> None:
            if wire.worker is not None:
                await wire.worker
            await session.close()

        return clean_up()

    def read(self) -> None:
        """Looks at what came since the last time, in order."""
        wire = self.wire
        if wire is None:
            return
        for reply in wire.received[self._read :]:
            self._read += 1
            if reply.push is not None:
                self.topics[reply.push.channel].receive(reply.push)
                continue
            command = self._asked.pop(reply.id)
            assert reply.error is None, f"{reply.error} for {command}"
            if reply.subscribe is not None and command.subscribe is not None:
                mine = self.topics[command.subscribe.channel]
                mine.begin(reply.subscribe, can_recover=wire.verdicts[reply.id])
            elif command.unsubscribe is not None:
                self.topics[command.unsubscribe.channel].end()


class ModelListener:
    """Code of the process that listens from before the first publication on."""

    def __init__(self, log: ModelLog) -> None:
        self._log = log
        # None: it was told that it lost something, and has heard nothing since.
        self.offset: int | None = 0
        self._heard: set[bytes] = set()
        # Publications, and None where some were lost.
        self._news: list[Publication | None] = []

    def hear(self, publication: Publication) -> None:
        self._news.append(publication)

    def lost(self) -> None:
        self._news.append(None)

    def read(self) -> None:
        """Looks at what it was told since the last time, in order."""
        news, self._news = self._news, []
        for publication in news:
            if publication is None:
                self.offset = None
                continue
            data = bytes(publication.data)
            assert self.offset in {None, publication.offset - 1}, "lost, doubled or out of order"
            assert data in self._log.published.values()
            assert data not in self._heard
            self._heard.add(data)
            self.offset = publication.offset

    def check_complete(self) -> None:
        # A log that was lost shows with its next publication.
        assert self.offset is None or self._log.offset in {0, self.offset}


class Engine(RuleBasedStateMachine):
    stream = STREAM

    def __init__(self) -> None:
        super().__init__()
        # Small, so that a few steps reach what takes thousands in production.
        self._bounds = fanout_module.SLICE, feed_module.MAX_PENDING_EVENTS
        fanout_module.SLICE, feed_module.MAX_PENDING_EVENTS = 2, 5
        self.runner = asyncio.Runner()
        self.lossy: LossyLayer | None = None
        self.node = ManualNode(self.stream, wrap_layer=self.wrap)
        assert isinstance(self.node.layer, GatedLayer)
        self.gates = self.node.layer
        watched = self.gates._inner
        assert isinstance(watched, WatchedLayer)
        self.logs = watched.logs = {topic: ModelLog(self.now) for topic in TOPICS}
        self.clients = {user: ModelClient(user, self.node, watched) for user in USERS}
        self.ending: set[asyncio.Task[None]] = set()
        watched.hub_tasks = self.node.tasks
        self.watched = watched
        self.count = 0

    def wrap(self, memory: MemoryTopicLayer) -> TopicLayer:
        return GatedLayer(WatchedLayer(memory))

    def now(self) -> float:
        """By which logs expire."""
        return self.node.clock()

    async def settle(self) -> None:
        """Returns when nothing goes on by itself any more."""
        await settle()

    def run(self, step: Callable[[], object]) -> None:
        """Does `step` on the loop, lets everybody go on as far as they can, and reads what came."""

        async def do() -> None:
            step()
            await self.settle()

        self.runner.run(do())
        for client in self.clients.values():
            client.read()

    # ── What clients do ───────────────────────────────────────────────────────────────────────

    @initialize(calls=held_calls)
    def begin(self, calls: set[str]) -> None:
        self.gates.gated = calls
        for client in self.clients.values():
            self.run(client.connect)
        self.run(lambda: self.clients["1"].subscribe(TOPICS[0]))

    @rule(user=users, topic=topics)
    def come(self, user: str, topic: str) -> None:
        client = self.clients[user]
        if client.session is None:
            self.run(client.connect)
        if not client.topics[topic].is_wanted:
            self.run(lambda: client.subscribe(topic))

    @precondition(lambda self: self.wanted())
    @rule(data=st.data(), comes_back=st.booleans())
    def go(self, data: st.DataObject, comes_back: bool) -> None:
        client, topic = data.draw(st.sampled_from(self.wanted()))
        # Without waiting for the reply, as an SDK does.
        self.run(lambda: client.subscribe_again(topic) if comes_back else client.unsubscribe(topic))

    @precondition(lambda self: self.connected())
    @rule(data=st.data())
    def lose_the_socket(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.connected()))
        self.run(lambda: self._end(client))

    def _end(self, client: ModelClient) -> None:
        ending = asyncio.get_running_loop().create_task(client.disconnect())
        self.ending.add(ending)
        ending.add_done_callback(self.ending.discard)

    @precondition(lambda self: self.connected())
    @rule(data=st.data(), topic=topics)
    def publish_as_a_client(self, data: st.DataObject, topic: str) -> None:
        client = data.draw(st.sampled_from(self.connected()))
        self.count += 1
        request = PublishRequest(channel=topic, data=Raw(b"%d" % self.count))
        self.run(lambda: client.ask(Command(publish=request)))

    def connected(self) -> list[ModelClient]:
        return [client for client in self.clients.values() if client.session is not None]

    def wanted(self) -> list[tuple[ModelClient, str]]:
        return [
            (client, topic)
            for client in self.clients.values()
            for topic in TOPICS
            if client.topics[topic].is_wanted
        ]

    # ── What the server does ──────────────────────────────────────────────────────────────────

    @rule(topic=topics, count=st.integers(1, SIZE + 2))
    def publish(self, topic: str, count: int) -> None:
        async def do() -> None:
            for _ in range(count):
                self.count += 1
                await self.node.publisher.publish(topic, b"%d" % self.count)

        self.runner.run(do())
        self.run(lambda: None)

    @precondition(lambda self: self.wanted())
    @rule(data=st.data())
    def end_a_subscription(self, data: st.DataObject) -> None:
        client, topic = data.draw(st.sampled_from(self.wanted()))
        session = client.session
        assert session is not None
        self.run(lambda: session.unsubscribe(topic, UnsubscribeCode.INSUFFICIENT_STATE))

    @precondition(lambda self: self.node.scheduler)
    @rule()
    def deliver_one_slice(self) -> None:
        self.run(self.node.scheduler.run_once)

    @rule(
        topic=topics,
        harm=st.sampled_from(["some time passes", "it expires", "it is removed", "all are lost"]),
    )
    def harm_a_log(self, topic: str, harm: str) -> None:
        self.do_harm(topic, harm)

    def do_harm(self, topic: str, harm: str) -> None:
        match harm:
            case "some time passes":
                self.node.clock.advance(TTL_SECONDS / 2)
            case "it expires":
                self.node.clock.advance(TTL_SECONDS)
            case "it is removed":
                self.runner.run(self.watched.remove_history(topic))
                self.logs[topic].remove()
            case "all are lost":
                self.runner.run(self.lose_logs())
                for log in self.logs.values():
                    log.lose()

    async def lose_logs(self) -> None:
        await self.node.memory.flush()

    # ── How long the layer takes ──────────────────────────────────────────────────────────────

    @rule(calls=held_calls)
    def hold(self, calls: set[str]) -> None:
        self.gates.gated = calls

    @precondition(lambda self: self.gates.gates)
    @rule(data=st.data())
    def let_one_go_on(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.gates.gates) - 1))
        self.run(lambda: self.gates.open(number))

    # ── What must be true ─────────────────────────────────────────────────────────────────────

    def let_time_pass(self, seconds: float) -> None:
        """In small steps, each to its end."""
        steps = int(seconds / TICK_SECONDS)
        for step in range(steps + 1):
            self.run(self.node.sleep.wake)
            while self.node.scheduler:
                self.run(self.node.scheduler.run)
            if step < steps:
                self.node.clock.advance(TICK_SECONDS)

    def come_to_rest(self) -> None:
        self.run(self.gates.open_all)
        # More than the time that somebody waits for what is under way.
        self.let_time_pass(HURRY_SECONDS + TICK_SECONDS)

    @rule()
    def wait_until_all_is_quiet(self) -> None:
        self.come_to_rest()
        assert not self.node.tasks
        for client in self.clients.values():
            for mine in client.topics.values():
                mine.check_complete()
        for topic in TOPICS:
            members = self.runner.run(self.node.presence.members(topic))
            assert {info.user for info in members.values()} == self._subscribers(topic)
            assert self.node.hub.count(topic) == len(self._subscribers(topic))

    def _subscribers(self, topic: str) -> set[str]:
        return {user for user, client in self.clients.items() if client.topics[topic].is_in}

    def end(self) -> None:
        """Lets go of what is held besides clients."""

    def teardown(self) -> None:
        try:
            for client in self.connected():
                self.run(partial(self._end, client))
            self.wait_until_all_is_quiet()
            self.end()
            assert self.node.count_left_behind() == {}
            assert not self.ending
            assert self.runner.run(count_other_tasks()) == 0
        finally:
            self.runner.close()
            fanout_module.SLICE, feed_module.MAX_PENDING_EVENTS = self._bounds


async def count_other_tasks() -> int:
    return len(asyncio.all_tasks()) - 1


class LossyEngine(Engine):
    """Over a layer whose events are late and get lost, and whose log the hub cannot always read."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = ModelListener(self.logs[TOPICS[1]])
        self.dropped: set[str] = set()

    def run(self, step: Callable[[], object]) -> None:
        super().run(step)
        self.listener.read()

    def wrap(self, memory: MemoryTopicLayer) -> TopicLayer:
        self.lossy = LossyLayer(memory)
        return GatedLayer(WatchedLayer(self.lossy))

    @property
    def events(self) -> LossyLayer:
        assert self.lossy is not None
        return self.lossy

    @initialize()
    def listen(self) -> None:
        self.gates.gated = set()
        policy = history_policy(self.stream)
        self.runner.run(self.node.hub.listen(TOPICS[1], self.listener, history=policy))

    @rule(holds=st.booleans())
    def be_late(self, holds: bool) -> None:
        self.events.holds = holds

    @precondition(lambda self: self.events.held)
    @rule(data=st.data(), count=st.integers(1, 4))
    def deliver_late_events(self, data: st.DataObject, count: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.events.held)))
        self.run(lambda: self.events.deliver(topic, count))

    @precondition(lambda self: self.events.held)
    @rule(data=st.data(), count=st.integers(1, 4))
    def drop_late_events(self, data: st.DataObject, count: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.events.held)))
        self.events.drop(topic, count)
        self.dropped.add(topic)

    @rule(topic=topics, lost=st.integers(1, 2), heard=st.integers(0, 2))
    def lose_and_go_on(self, topic: str, lost: int, heard: int) -> None:
        """A gap, and what reveals it."""
        held, self.events.holds = self.events.holds, True
        self.publish(topic, lost)
        self.events.drop(topic)
        self.dropped.add(topic)
        self.events.holds = held
        if heard:
            self.publish(topic, heard)

    @precondition(lambda self: self.gates.gates and self.dropped)
    @rule()
    def reconnect_during_a_read(self) -> None:
        self.reconnect()

    @precondition(lambda self: self.dropped)
    @rule()
    def reconnect(self) -> None:
        # What was on its way when the connection broke is lost, too.
        for topic in TOPICS:
            self.events.drop(topic)
        self.dropped = set()
        self.cut_and_restore()

    def cut_and_restore(self) -> None:
        self.run(lambda: self.events.doubt(TOPICS))

    @rule(is_away=st.booleans())
    def lose_the_log_from_sight(self, is_away: bool) -> None:
        self.watched.is_away = is_away

    @rule()
    def wait_a_little(self) -> None:
        self.let_time_pass(0.75)

    def come_to_rest(self) -> None:
        self.watched.is_away = False
        self.run(self.gates.open_all)
        self.events.holds = False
        for topic in TOPICS:
            self.run(partial(self.events.deliver, topic))
        # The longest pause between two tries to read a log that was away, and more than the time
        # that somebody waits for what is under way.
        self.let_time_pass(LONGEST_RETRY_SECONDS + 0.5)
        if self.dropped:
            self.dropped = set()
            self.watch_positions()
        self.listener.check_complete()

    def watch_positions(self) -> None:
        """Two rounds, and what follows from them."""

        async def start() -> None:
            self.watch = asyncio.get_running_loop().create_task(
                self.node.hub.watch_positions(interval_seconds=1)
            )

        self.runner.run(start())
        self.let_time_pass(3)
        self.run(self.watch.cancel)
        self.let_time_pass(0)

    def end(self) -> None:
        self.runner.run(self.node.hub.unlisten(TOPICS[1], self.listener))


LONG = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestEngine = Engine.TestCase
TestEngine.settings = LONG
TestLossyEngine = LossyEngine.TestCase
TestLossyEngine.settings = LONG
