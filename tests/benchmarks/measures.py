"""The measures: each starts its servers, drives them and gives back figures. No tables, no command line.

All figures are CPU time of the server's process per unit of work, which a busy machine disturbs far less
than the clock on the wall, or the server's own memory. Everything is bounded in count and in time.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks.floor import PUBLISHER_PATH
from tests.benchmarks.frames import PING, Endpoint
from tests.benchmarks.load import Commander, Crowd, Request, crowd
from tests.benchmarks.processes import WEBSOCKET_PATH, Cores, Cpu, Server, ServerName, running
from tests.benchmarks.report import Bar, Figure

_DATA = b'{"user":"alice","text":"hello world, this is a message"}'
_CONNECT = b'{"id":1,"connect":{}}'
_UNKNOWN_METHOD = 104
_DEADLINE_SECONDS = 60
_WARM_UP_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done. Each window is repeated `rounds` times, in turn with those it is compared with."""

    subscribers: int
    window_seconds: float
    rounds: int
    idle_connections: int
    connects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a measure needs to know."""

    server: ServerName
    sizes: Sizes
    cores: Cores | None
    has_bars: bool
    progress: Callable[[str], None]

    def figure(
        self, measure: str, name: str, value: float, unit: str, *, bar: Bar | None = None, note: str = ""
    ) -> Figure:
        """Make a figure of the planned server."""
        return Figure(
            server=self.server,
            measure=measure,
            name=name,
            value=value,
            unit=unit,
            bar=bar if self.has_bars else None,
            note=note,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Start the planned server."""
        async with running(self.server, cores=self.cores) as server:
            yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What happened between two looks at a server."""

    seconds: float
    server: Cpu
    load_seconds: float
    answers: int
    deliveries: int

    def __add__(self, other: "Window") -> "Window":
        return Window(
            seconds=self.seconds + other.seconds,
            server=self.server + other.server,
            load_seconds=self.load_seconds + other.load_seconds,
            answers=self.answers + other.answers,
            deliveries=self.deliveries + other.deliveries,
        )

    def per_answer(self) -> Cpu:
        """Return microseconds per answered request."""
        return _micros(self.server, self.answers)

    def per_delivery(self) -> Cpu:
        """Return microseconds per delivery."""
        return _micros(self.server, self.deliveries)

    def busy(self) -> str:
        """Say how busy the two cores were."""
        server = self.server.total / self.seconds
        return f"server {server:.0%} of its core, load {self.load_seconds / self.seconds:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """Publishers with a fixed number of requests outstanding, before an audience."""

    server: Server
    clients: Crowd
    commanders: Sequence[Commander]
    request: Request
    window: int

    async def run(self, seconds: float) -> Window:
        """Run for so long; return the part after the warm-up. Each publication must have reached all."""
        published, delivered = self._answers(), self.clients.tally.publications
        for commander in self.commanders:
            commander.start(self.request, window=self.window)
        await asyncio.sleep(_WARM_UP_SECONDS)
        window = await self._watch(seconds)
        for commander in self.commanders:
            await commander.stop(within_seconds=_DEADLINE_SECONDS)
        if len(self.clients):
            expected = delivered + (self._answers() - published) * len(self.clients)
            await self.clients.tally.reach(expected, within_seconds=_DEADLINE_SECONDS)
        self.clients.check_alive()
        return window

    async def _watch(self, seconds: float) -> Window:
        began, cpu, load = time.monotonic(), self.server.cpu(), _own_cpu_seconds()
        answers, deliveries = self._answers(), self.clients.tally.publications
        await asyncio.sleep(seconds)
        return Window(
            seconds=time.monotonic() - began,
            server=self.server.cpu() - cpu,
            load_seconds=_own_cpu_seconds() - load,
            answers=self._answers() - answers,
            deliveries=self.clients.tally.publications - deliveries,
        )

    def _answers(self) -> int:
        return sum(commander.answered for commander in self.commanders)


async def fan_out(plan: Plan) -> list[Figure]:
    """Publications of one client to all subscribers of one topic with history, saturated."""
    count, rounds = plan.sizes.subscribers, plan.sizes.rounds
    async with plan.running() as server:
        size = await _frame_bytes(server)
        async with (
            running("floor", arguments=["--frame-bytes", str(size)], cores=plan.cores) as floor,
            crowd(_endpoint(server)) as audience,
            crowd(_endpoint(floor)) as floor_audience,
            crowd(_endpoint(server)) as publishers,
        ):
            plan.progress(f"fan-out: opening {count:,} connections to each server")
            await audience.add_subscribers([_opening("log:bench")] * count, within_seconds=_DEADLINE_SECONDS)
            await floor_audience.add_subscribers([[]] * count, within_seconds=_DEADLINE_SECONDS)
            publisher = await publishers.add_commander([_CONNECT])
            floor_publisher = await publishers.add_commander([], endpoint=_endpoint(floor, publisher=True))
            windows: dict[tuple[str, int], Window] = {}
            loops = {
                (name, window): ClosedLoop(
                    server=process,
                    clients=clients,
                    commanders=[commander],
                    request=_publish("log:bench"),
                    window=window,
                )
                for window in (1, 8)
                for name, process, clients, commander in (
                    ("floor", floor, floor_audience, floor_publisher),
                    ("server", server, audience, publisher),
                )
            }
            for turn in range(rounds):
                for key, loop in loops.items():
                    plan.progress(f"fan-out: round {turn + 1} of {rounds}, {key[0]}, {key[1]} outstanding")
                    seen = await loop.run(plan.sizes.window_seconds)
                    windows[key] = windows[key] + seen if key in windows else seen
    figures = []
    for window in (1, 8):
        measure = f"fan-out to {count:,}, {window} outstanding"
        seen, least = windows["server", window], windows["floor", window]
        cost, floor_cost = seen.per_delivery(), least.per_delivery()
        figures += [
            plan.figure(measure, "user CPU per delivery", cost.user, "µs", bar=Bar(3.0)),
            plan.figure(measure, "system CPU per delivery", cost.system, "µs"),
            plan.figure(measure, "user + system ÷ floor", cost.total / floor_cost.total, "×", bar=Bar(1.3)),
            plan.figure(measure, "deliveries", seen.deliveries / seen.seconds, "/s", note=seen.busy()),
            plan.figure(
                measure,
                "floor: user CPU per delivery",
                floor_cost.user,
                "µs",
                note=f"one ready frame of {size} bytes per write",
            ),
            plan.figure(measure, "floor: system CPU per delivery", floor_cost.system, "µs"),
            plan.figure(
                measure, "floor: deliveries", least.deliveries / least.seconds, "/s", note=least.busy()
            ),
        ]
    return figures


async def path(plan: Plan) -> list[Figure]:
    """Where each microsecond of one publication goes, one at a time, from a client to all subscribers.

    Found from outside: requests that each go one stage further than the one before, every one sent when
    the one before it was answered, so that nothing is shared between two of them. A stage is the
    difference of two such costs.
    """
    count, rounds, seconds = plan.sizes.subscribers, plan.sizes.rounds, plan.sizes.window_seconds
    steps = {
        "frame": Request(payload=b"bench", opcode=PING),
        "command": Request(
            payload=b'{"id":%d,"rpc":{"method":"no.such.method"}}', expects_error=_UNKNOWN_METHOD
        ),
        "publish": _publish("bench"),
        "append": _publish("log:bench"),
    }
    costs: dict[str, Window] = {}
    async with (
        plan.running() as server,
        crowd(_endpoint(server)) as clients,
        crowd(_endpoint(server)) as nobody,
    ):
        commander = await nobody.add_commander([_CONNECT])
        for turn in range(rounds):
            for name, request in steps.items():
                plan.progress(f"path: round {turn + 1} of {rounds}, {name}")
                loop = ClosedLoop(
                    server=server, clients=clients, commanders=[commander], request=request, window=1
                )
                seen = await loop.run(seconds)
                costs[name] = costs[name] + seen if name in costs else seen
        latencies: list[float] = []
        for audience in (1, count):
            plan.progress(f"path: {audience:,} subscribers")
            await clients.add_subscribers(
                [_opening("log:bench")] * (audience - len(clients)), within_seconds=_DEADLINE_SECONDS
            )
            latencies = await _one_by_one(server, clients, commander, seconds=_WARM_UP_SECONDS)
            before, began, load = server.cpu(), time.monotonic(), _own_cpu_seconds()
            latencies = await _one_by_one(server, clients, commander, seconds=seconds * rounds)
            costs[str(audience)] = Window(
                seconds=time.monotonic() - began,
                server=server.cpu() - before,
                load_seconds=_own_cpu_seconds() - load,
                answers=len(latencies),
                deliveries=len(latencies) * audience,
            )
    frame, command, publish, append = (costs[name].per_answer() for name in steps)
    first, whole = costs["1"].per_answer(), costs[str(count)].per_answer()
    each = Cpu((whole.user - first.user) / (count - 1), (whole.system - first.system) / (count - 1))
    measure = f"path to {count:,}"
    stages = [
        ("read and parse a frame, write one", frame, "WebSocket ping → pong"),
        ("+ decode, session, encode the reply", command - frame, "RPC of an unknown method"),
        ("+ rule, publisher, hub without subscriber", publish - command, "publish without history"),
        ("+ append to the log", append - publish, "publish with history"),
        ("+ encode the push, first delivery", first - append, "with 1 subscriber"),
        ("+ each further delivery", each, f"with {count:,} subscribers"),
        ("whole publication", whole, f"median {statistics.median(latencies) * 1000:.1f} ms to the last one"),
    ]
    figures = []
    for name, cost, note in stages:
        figures += [
            plan.figure(measure, f"{name}: user", cost.user, "µs", note=note),
            plan.figure(measure, f"{name}: system", cost.system, "µs"),
        ]
    return figures


async def idle(plan: Plan) -> list[Figure]:
    """Memory of connections that are connected, subscribed and quiet."""
    count = plan.sizes.idle_connections
    rooms = 1_000
    layouts = {
        f"{rooms:,} topics": [_opening(f"log:room-{number % rooms}") for number in range(count)],
        "one topic": [_opening("log:bench")] * count,
    }
    figures = []
    for name, openings in layouts.items():
        async with plan.running() as server, crowd(_endpoint(server)) as clients:
            # The first connections pay for what all share: caches, thread pools, lazy imports.
            await clients.add_subscribers(openings[:100], within_seconds=_DEADLINE_SECONDS)
            before = await _settled_bytes(server)
            await clients.add_subscribers(
                openings[100:],
                within_seconds=_DEADLINE_SECONDS * 2,
                progress=lambda opened, name=name: (  # type: ignore[misc]
                    None
                    if opened % 1_000
                    else plan.progress(f"idle, {name}: {opened:,} of {count:,} connected")
                ),
            )
            clients.check_alive()
            each = (await _settled_bytes(server) - before) / (count - 100)
        figures.append(
            plan.figure(
                f"{count:,} idle",
                f"memory per connection, {name}",
                each / 1024,
                "KB",
                bar=Bar(25),
                note="growth of resident memory",
            )
        )
    return figures


async def connect(plan: Plan) -> list[Figure]:
    """Upgrade, connect and subscribe, 64 clients at a time."""
    count = plan.sizes.connects
    async with plan.running() as server, crowd(_endpoint(server)) as clients:
        await clients.add_subscribers([_opening("log:bench")] * 50, within_seconds=_DEADLINE_SECONDS)
        plan.progress(f"connect: {count:,} connections")
        before, began, load = server.cpu(), time.monotonic(), _own_cpu_seconds()
        await clients.add_subscribers(
            [_opening(f"log:room-{number % 100}") for number in range(count)],
            within_seconds=_DEADLINE_SECONDS,
        )
        window = Window(
            seconds=time.monotonic() - began,
            server=server.cpu() - before,
            load_seconds=_own_cpu_seconds() - load,
            answers=count,
            deliveries=0,
        )
        clients.check_alive()
    cost = window.per_answer()
    measure = "connect + subscribe"
    return [
        plan.figure(
            measure, "per second of CPU", 1e6 / cost.total, "/s", bar=Bar(700, "at least"), note=window.busy()
        ),
        plan.figure(measure, "user CPU each", cost.user, "µs"),
        plan.figure(measure, "system CPU each", cost.system, "µs"),
    ]


async def publish(plan: Plan) -> list[Figure]:
    """Publications of clients into a topic with history that nobody is subscribed to."""
    figures = []
    async with (
        plan.running() as server,
        crowd(_endpoint(server)) as nobody,
        crowd(_endpoint(server)) as clients,
    ):
        for count in (1, 16):
            commanders = [await clients.add_commander([_CONNECT]) for _ in range(count)]
            loop = ClosedLoop(
                server=server, clients=nobody, commanders=commanders, request=_publish("log:bench"), window=1
            )
            plan.progress(f"publish: {count} at a time")
            window = await loop.run(plan.sizes.window_seconds * plan.sizes.rounds)
            cost = window.per_answer()
            name = f"{count} at a time"
            figures += [
                plan.figure(
                    "publish, history",
                    f"{name}: user CPU each",
                    cost.user,
                    "µs",
                    bar=Bar(60),
                    note=f"one outstanding per client, {count} clients",
                ),
                plan.figure("publish, history", f"{name}: system CPU each", cost.system, "µs"),
                plan.figure(
                    "publish, history",
                    f"{name}: publications",
                    window.answers / window.seconds,
                    "/s",
                    note=window.busy(),
                ),
            ]
    return figures


async def _one_by_one(server: Server, clients: Crowd, commander: Commander, *, seconds: float) -> list[float]:
    """Publish, wait until all have it, publish again; return the seconds each took."""
    request, latencies = _publish("log:bench"), []
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        expected = clients.tally.publications + len(clients)
        await commander.ask(request, within_seconds=_DEADLINE_SECONDS)
        await clients.tally.reach(expected, within_seconds=_DEADLINE_SECONDS)
        latencies.append(time.monotonic() - began)
    clients.check_alive()
    return latencies


async def _frame_bytes(server: Server) -> int:
    """Return how many bytes a frame with one publication has, so that the floor can send as many."""
    async with crowd(_endpoint(server)) as clients, crowd(_endpoint(server)) as publishers:
        await clients.add_subscribers([_opening("log:bench")], within_seconds=_DEADLINE_SECONDS)
        publisher = await publishers.add_commander([_CONNECT])
        before = clients.tally.bytes
        await publisher.ask(_publish("log:bench"), within_seconds=_DEADLINE_SECONDS)
        await clients.tally.reach(1, within_seconds=_DEADLINE_SECONDS)
        return clients.tally.bytes - before


async def _settled_bytes(server: Server) -> int:
    """Return the server's memory once it has stopped moving, or after 10 s."""
    size = server.resident_bytes()
    for _ in range(10):
        await asyncio.sleep(1)
        earlier, size = size, server.resident_bytes()
        if abs(size - earlier) < 64 * 1024:
            break
    return size


def _endpoint(server: Server, *, publisher: bool = False) -> Endpoint:
    if server.name == "floor":
        return Endpoint(port=server.port, path=PUBLISHER_PATH.decode() if publisher else "/")
    return Endpoint(port=server.port, path=WEBSOCKET_PATH)


def _opening(topic: str) -> list[bytes]:
    return [_CONNECT, b'{"id":2,"subscribe":{"channel":"%s"}}' % topic.encode()]


def _publish(topic: str) -> Request:
    return Request(payload=b'{"id":%%d,"publish":{"channel":"%s","data":%s}}' % (topic.encode(), _DATA))


def _micros(cpu: Cpu, count: int) -> Cpu:
    return Cpu(cpu.user * 1e6 / max(count, 1), cpu.system * 1e6 / max(count, 1))


def _own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
