"""A Redis, workers, a fleet of clients and a flow of publications: hurt while it runs, then judged."""

import asyncio
import contextlib
import json
import os
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from realtime.layers.base import HistoryPolicy
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Position, Publication
from realtime.publishing import Publisher
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry
from tests.end_to_end.faults import Faults, Logs
from tests.end_to_end.fleet import Fleet
from tests.end_to_end.flow import Flow
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
# As the settings have it.
LOG = Namespace(name="long", history_size=100_000, history_ttl=300, force_recovery=True)
TOPICS = [f"long:{number}" for number in range(20)]
TOPICS_EACH = 4
POLICY = HistoryPolicy(size=100_000, ttl_seconds=300)
# What the supervisor says.
AGAIN, ROLLED = "serves again", "rolling restart of 2 workers is done"
# How long after the last publication, and the last fault, somebody may still lack something.
PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to. `told`: how often a client heard that it could not recover; `repeats`:
    publications that were made, and made once more as nobody had heard of it.
    """

    clients: int
    publications: int
    deliveries: int
    cuts: int
    recoveries: int
    retries: int
    repeats: int
    lost: int
    doubled: int
    reordered: int
    told: int
    seconds: float

    @property
    def faults(self) -> Faults:
        return Faults(lost=self.lost, doubled=self.doubled, reordered=self.reordered)

    def __str__(self) -> str:
        counts = [f"{each.name} {getattr(self, each.name):,}" for each in fields(self)[:-1]]
        return "  ".join([*counts, f"seconds {self.seconds:.1f}"])


class FaultRun:
    """What a test hurts, and `judge()` at the end. The flow runs from the beginning."""

    def __init__(
        self,
        *,
        redis: RedisServer,
        server: Server,
        layer: RedisTopicLayer,
        fleet: Fleet,
        flow: Flow,
        rng: random.Random,
    ) -> None:
        self.redis = redis
        self.server = server
        self.fleet = fleet
        self.flow = flow
        self._layer = layer
        self._rng = rng
        # Where the logs stood when the run began, so that a long one can be judged in parts.
        self._began_at = dict.fromkeys(TOPICS, Position())
        self.begin()

    def begin(self) -> None:
        """Once more, after a judgment."""
        self._began = time.monotonic()
        self._cuts = 0
        self.flow.start()

    # ── What may happen ───────────────────────────────────────────────────────────────────────

    async def restart_redis(self, *, keep_data: bool) -> None:
        """Killed in the midst of publications, and started again."""
        with self.flow.in_a_hurry():
            await self.flow.advance(2 * len(TOPICS))
            await asyncio.to_thread(self.redis.restart, keep_data=keep_data)
        self._cuts += 1

    async def stop_redis_for(self, seconds: float) -> None:
        """It stays where it is and answers nobody."""
        self.redis.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.redis.resume()
        self._cuts += 1

    async def cut_pubsub(self) -> None:
        """Each worker stops hearing the topics, and can still read and write the logs."""
        self._cuts += await asyncio.to_thread(self.redis.cut_pubsub)

    async def cut_commands(self) -> None:
        """The other way round; the flow loses its connection, too."""
        self._cuts += await asyncio.to_thread(self.redis.cut_commands)

    async def kill_worker(self) -> None:
        """Returns when its successor serves."""
        workers = workers_of(self.server)
        victim = self._rng.choice(sorted(workers))
        log = self.server.log.read_text()
        os.kill(victim, signal.SIGKILL)
        await until(lambda: self.server.log.read_text().count(AGAIN) > log.count(AGAIN), patience_seconds=60)
        self._cuts += 1

    def cut_clients(self, count: int) -> None:
        self.fleet.cut(count)
        self._cuts += count

    async def roll(self) -> None:
        """A rolling restart; returns when it is done."""
        log = self.server.log.read_text()
        self.server.signal(signal.SIGHUP)
        await until(
            lambda: self.server.log.read_text().count(ROLLED) > log.count(ROLLED), patience_seconds=60
        )
        self._cuts += len(self.fleet)

    # ── What it came to ───────────────────────────────────────────────────────────────────────

    async def judge(self) -> Verdict:
        """Ends the flow, waits until all clients have everything, and counts what is wrong with it.

        Raises AssertionError where clients gave up, disagree, or got what nobody published.
        """
        await self.flow.stop()
        tops = {topic: (await self._layer.history(topic, policy=POLICY, limit=0)).top for topic in TOPICS}
        # What is missing after that counts as lost.
        with contextlib.suppress(TimeoutError):
            await self.fleet.reach(tops, patience_seconds=PATIENCE_SECONDS)
        seconds = time.monotonic() - self._began
        assert self.fleet.failures == []
        logs = await self._gather_logs(tops)
        faults = self.fleet.faults(tops) + self._faults_in(logs, tops)
        verdict = Verdict(
            clients=len(self.fleet),
            publications=logs.count(),
            deliveries=self.fleet.deliveries,
            cuts=self._cuts,
            recoveries=self.fleet.recoveries,
            retries=self.flow.made.retries,
            repeats=self.flow.made.repeats,
            lost=faults.lost,
            doubled=faults.doubled,
            reordered=faults.reordered,
            told=self.fleet.told,
            seconds=seconds,
        )
        self.fleet.rest()
        self.flow.forget()
        self._began_at = tops
        return verdict

    async def _gather_logs(self, tops: Mapping[str, Position]) -> Logs:
        logs = Logs()
        for topic, top in tops.items():
            start = self._began_at[topic]
            since = start if start.epoch == top.epoch else None
            held = await self._layer.history(topic, policy=POLICY, since=since)
            logs.add(topic, top.epoch, [(each.offset, _mark_of(each)) for each in held.publications])
        for mark, (topic, position) in self.flow.made.positions.items():
            logs.add(topic, position.epoch, [(position.offset, mark)])
        self.fleet.add_to(logs)
        return logs

    def _faults_in(self, logs: Logs, tops: Mapping[str, Position]) -> Faults:
        made = self.flow.made
        lost_logs = {
            topic for topic, position in made.positions.values() if position.epoch != tops[topic].epoch
        }
        acknowledged, unknown = set(made.positions), set(made.unknown)
        for mark, topic in made.by_clients.items():
            # Where it stood is not known here: it may have been in the log that was lost.
            (unknown if topic in lost_logs else acknowledged).add(mark)
        return logs.faults(acknowledged, unknown=unknown)


@asynccontextmanager
async def fault_run(
    folder: Path,
    *,
    is_durable: bool,
    lean: int = 200,
    sdk: int = 20,
    per_second: float = 200,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[FaultRun]:
    """Two workers, a Redis of their own, and all clients subscribed. Linux only: it reads /proc."""
    rng = random.Random(random.getrandbits(64))  # noqa: S311  # Repeatable by the run's seed.
    prefix = f"run-{uuid.uuid4().hex[:12]}"
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer(is_durable=is_durable))
        ours = {"WORKERS": "2", "REDIS_URL": redis.url, "REDIS_PREFIX": prefix, **(env or {})}
        server = stack.enter_context(Server(settings=SETTINGS, env=ours, log=folder / "server.log"))
        await until(lambda: "with 2 workers" in server.log.read_text())
        layer = RedisTopicLayer(hosts=[redis.url], prefix=prefix)
        stack.push_async_callback(layer.close)
        fleet = await stack.enter_async_context(
            Fleet(port=server.port, lean=lean, sdk=sdk, topics=TOPICS, topics_each=TOPICS_EACH, rng=rng)
        )
        flow = Flow(
            _make_publisher(layer),
            TOPICS,
            per_second=per_second,
            choose_client=fleet.choose_publisher,
            rng=rng,
        )
        yield FaultRun(redis=redis, server=server, layer=layer, fleet=fleet, flow=flow, rng=rng)


def _make_publisher(layer: RedisTopicLayer) -> Publisher:
    registry = NamespaceRegistry()
    registry.register(LOG)
    return Publisher(
        layer=layer, namespaces=registry, clock_ms=lambda: time.time_ns() // 1_000_000, max_bytes=65_536
    )


def _mark_of(publication: Publication) -> str:
    mark: str = json.loads(bytes(publication.data))["mark"]
    return mark


def workers_of(server: Server) -> set[int]:
    """The processes that serve, those that have ended left out."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return {int(pid) for pid in children.split()}
