"""The measures: each starts its servers, drives them and gives back figures. No tables, no command line.

All figures are CPU time of the server's process per unit of work, which a busy machine disturbs far less
than the clock on the wall, or the server's own memory. Everything is bounded in count and in time.
"""

import asyncio
import functools
import operator
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks import stages
from tests.benchmarks.floor import PUBLISHER_PATH
from tests.benchmarks.frames import PING, Endpoint
from tests.benchmarks.load import Commander, Crowd, Request, crowd
from tests.benchmarks.processes import WEBSOCKET_PATH, Cores, Cpu, Server, ServerName, running
from tests.benchmarks.report import Bar, Figure

_DATA = b'{"user":"alice","text":"hello world, this is a message"}'
_CONNECT = b'{"id":1,"connect":{}}'
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
    waited_seconds: float
    load_seconds: float
    answers: int
    deliveries: int

    def __add__(self, other: "Window") -> "Window":
        return Window(
            seconds=self.seconds + other.seconds,
            server=self.server + other.server,
            waited_seconds=self.waited_seconds + other.waited_seconds,
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
        """Say how busy the two cores were, and whether others got in the way."""
        server, load = self.server.total / self.seconds, self.load_seconds / self.seconds
        text = f"server {server:.0%} of its core, load {load:.0%}"
        waited = self.waited_seconds / self.seconds
        return text if waited < 0.05 else f"{text}; others took {waited:.0%} of the server's"


class Watch:
    """Begins to look at a server; `end` gives what happened since."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began = time.monotonic()
        self._cpu = server.cpu()
        self._waited_seconds = server.waited_seconds()
        self._load_seconds = _own_cpu_seconds()

    def end(self, *, answers: int, deliveries: int) -> Window:
        return Window(
            seconds=time.monotonic() - self._began,
            server=self._server.cpu() - self._cpu,
            waited_seconds=self._server.waited_seconds() - self._waited_seconds,
            load_seconds=_own_cpu_seconds() - self._load_seconds,
            answers=answers,
            deliveries=deliveries,
        )


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
        watch, answers, deliveries = Watch(self.server), self._answers(), self.clients.tally.publications
        await asyncio.sleep(seconds)
        window = watch.end(
            answers=self._answers() - answers, deliveries=self.clients.tally.publications - deliveries
        )
        for commander in self.commanders:
            await commander.stop(within_seconds=_DEADLINE_SECONDS)
        if len(self.clients):
            expected = delivered + (self._answers() - published) * len(self.clients)
            await self.clients.tally.reach(expected, within_seconds=_DEADLINE_SECONDS)
        self.clients.check_alive()
        return window

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
            windows: dict[tuple[str, int], list[Window]] = {}
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
                    windows.setdefault(key, []).append(seen)
    figures = []
    for window in (1, 8):
        figures += _compare(plan, windows["server", window], windows["floor", window], window, size)
    return figures


def _compare(
    plan: Plan, rounds: Sequence[Window], floor_rounds: Sequence[Window], window: int, size: int
) -> list[Figure]:
    """Make figures of a server's rounds and of the floor's in between."""
    seen, least = _sum(rounds), _sum(floor_rounds)
    cost, floor_cost = seen.per_delivery(), least.per_delivery()
    # A median, since one round in which others got in the way would spoil a sum.
    ratio = statistics.median(
        mine.per_delivery().total / floors.per_delivery().total
        for mine, floors in zip(rounds, floor_rounds, strict=True)
    )
    measure = f"fan-out to {plan.sizes.subscribers:,}, {window} outstanding"
    return [
        plan.figure(measure, "user CPU per delivery", cost.user, "µs", bar=Bar(3.0)),
        plan.figure(
            measure,
            "system CPU per delivery",
            cost.system,
            "µs",
            note="each delivery is a write" if window == 1 else "deliveries that meet share a write",
        ),
        plan.figure(
            measure, "user + system ÷ floor", ratio, "×", bar=Bar(1.3), note=f"median of {len(rounds)} rounds"
        ),
        plan.figure(measure, "deliveries", seen.deliveries / seen.seconds, "/s", note=seen.busy()),
        plan.figure(
            measure,
            "floor: user CPU per delivery",
            floor_cost.user,
            "µs",
            note=f"one ready frame of {size} bytes per write",
        ),
        plan.figure(measure, "floor: system CPU per delivery", floor_cost.system, "µs"),
        plan.figure(measure, "floor: deliveries", least.deliveries / least.seconds, "/s", note=least.busy()),
    ]


async def path(plan: Plan) -> list[Figure]:
    """Where each microsecond of one publication goes, from a client to all subscribers, unsaturated.

    From outside: requests that each go further than the one before. Each is sent when the one before
    it was answered, so that no two of them share a read, a turn of the loop or a write. From inside:
    the stages by themselves (stages.py); what they leave of the whole is the event loop's, the ASGI
    call's and the transport's.
    """
    count = plan.sizes.subscribers
    costs, latency_seconds = await _path_from_outside(plan)
    measure = "path, from outside"
    figures = []
    for name, cost in costs.items():
        figures += [
            plan.figure(measure, f"{name}: user CPU", cost.user, "µs"),
            plan.figure(measure, f"{name}: system CPU", cost.system, "µs"),
        ]
    to_one, to_all = list(costs.values())[-2:]
    figures.append(
        plan.figure(measure, f"median time until all {count:,} have it", latency_seconds * 1000, "ms")
    )
    plan.progress("path: stages")
    inside = await stages.measure(_publish("log:bench").payload % 12_345, _DATA, subscribers=1_000)
    measure = "path, from inside: user CPU"
    each = (to_all.user - to_one.user) / (count - 1)
    alone = {
        "parse the frame": inside.parse_frame,
        "decode the command": inside.decode_command,
        "session, rule, publisher": inside.session_and_publisher,
        "append to the log": inside.append_to_log,
        "encode and frame the reply": inside.encode_reply,
        "hub: route, encode and frame the push": inside.encode_push,
    }
    rest = to_one.user - sum(alone.values()) - inside.hand_over
    figures += [
        plan.figure(measure, name, value, "µs", note="alone, per publication")
        for name, value in alone.items()
    ]
    figures += [
        plan.figure(
            measure, "event loop, tasks, ASGI, 2 writes", rest, "µs", note="the rest of a publication to 1"
        ),
        plan.figure(measure, "hub → pump → outlet", inside.hand_over, "µs", note="alone, per delivery"),
        plan.figure(
            measure, "transport's write", each - inside.hand_over, "µs", note="the rest of a delivery"
        ),
        plan.figure(
            "path, kernel", "write", (to_all.system - to_one.system) / (count - 1), "µs", note="per delivery"
        ),
    ]
    return figures


async def _path_from_outside(plan: Plan) -> tuple[dict[str, Cpu], float]:
    """Return the cost of each request, and the median seconds that the last one took to reach all."""
    count, rounds, seconds = plan.sizes.subscribers, plan.sizes.rounds, plan.sizes.window_seconds
    steps = {
        "WebSocket ping → pong": Request(payload=b"bench", opcode=PING),
        "command → reply": Request(payload=b'{"id":%d,"ping":{}}'),
        "publish, no history, to 0": _publish("bench"),
        "publish, history, to 0": _publish("log:bench"),
    }
    windows: dict[str, list[Window]] = {}
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
                windows.setdefault(name, []).append(await loop.run(seconds))
        latencies: list[float] = []
        for audience in (1, count):
            plan.progress(f"path: publish to {audience:,}")
            await clients.add_subscribers(
                [_opening("log:bench")] * (audience - len(clients)), within_seconds=_DEADLINE_SECONDS
            )
            await _one_by_one(clients, commander, seconds=_WARM_UP_SECONDS)
            watch = Watch(server)
            latencies = await _one_by_one(clients, commander, seconds=seconds * rounds)
            window = watch.end(answers=len(latencies), deliveries=len(latencies) * audience)
            windows[f"publish, history, to {audience:,}"] = [window]
    costs = {name: _sum(rounds).per_answer() for name, rounds in windows.items()}
    return costs, statistics.median(latencies)


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
        watch = Watch(server)
        await clients.add_subscribers(
            [_opening(f"log:room-{number % 100}") for number in range(count)],
            within_seconds=_DEADLINE_SECONDS,
        )
        window = watch.end(answers=count, deliveries=0)
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


async def _one_by_one(clients: Crowd, commander: Commander, *, seconds: float) -> list[float]:
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
    for _ in range(20):
        await asyncio.sleep(0.5)
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


def _sum(windows: Sequence[Window]) -> Window:
    return functools.reduce(operator.add, windows)


def _micros(cpu: Cpu, count: int) -> Cpu:
    return Cpu(cpu.user * 1e6 / max(count, 1), cpu.system * 1e6 / max(count, 1))


def _own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
