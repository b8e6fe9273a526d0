"""The measures: each starts its servers, drives them and gives back figures. No tables, no command line.

All figures are CPU time of the server's process per unit of work, which a busy machine disturbs far less
than the clock on the wall, or the server's own memory. Everything is bounded in count and in time.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tests.benchmarks import stages
from tests.benchmarks.commands import CONNECT, DATA, endpoint_of, frame_bytes, opening, publish_request
from tests.benchmarks.frames import PING
from tests.benchmarks.load import Commander, Crowd, Request, crowd
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import Cpu, Server, running
from tests.benchmarks.report import Bar, Figure
from tests.benchmarks.windows import DEADLINE_SECONDS, WARM_UP_SECONDS, ClosedLoop, Watch, Window, total


class Loop(Protocol):
    """Publications to an audience for some time: ClosedLoop, Flow."""

    async def run(self, seconds: float) -> Window:
        """Run for so long after a warm-up; return what was seen of the server."""


async def fan_out(plan: Plan) -> list[Figure]:
    """Publications of one client to all subscribers of one topic with history, saturated."""
    async with plan.running() as server, crowd(endpoint_of(server)) as publishers:
        publisher = await publishers.add_commander([CONNECT])

        def loop(audience: Crowd, window: int) -> Loop:
            return ClosedLoop(
                server=server,
                clients=audience,
                commanders=[publisher],
                request=publish_request("log:bench"),
                window=window,
            )

        return await fan_out_beside_floor(plan, server, loop)


async def fan_out_beside_floor(
    plan: Plan, server: Server, loop: Callable[[Crowd, int], Loop]
) -> list[Figure]:
    """Open an audience to the server and one to the floor, and compare what a delivery costs each.

    `loop` is to publish to the server's audience, with so many publications outstanding.
    """
    count, rounds = plan.sizes.subscribers, plan.sizes.rounds
    size = await frame_bytes(server)
    async with (
        running("floor", arguments=["--frame-bytes", str(size)], cores=plan.cores) as floor,
        crowd(endpoint_of(server)) as audience,
        crowd(endpoint_of(floor)) as floor_audience,
        crowd(endpoint_of(floor, publisher=True)) as floor_publishers,
    ):
        plan.progress(f"fan-out: opening {count:,} connections to each server")
        await audience.add_subscribers([opening("log:bench")] * count, within_seconds=DEADLINE_SECONDS)
        await floor_audience.add_subscribers([[]] * count, within_seconds=DEADLINE_SECONDS)
        floor_publisher = await floor_publishers.add_commander([])
        loops: dict[tuple[str, int], Loop] = {}
        for window in (1, 8):
            loops["floor", window] = ClosedLoop(
                server=floor,
                clients=floor_audience,
                commanders=[floor_publisher],
                request=publish_request("log:bench"),
                window=window,
            )
            loops["server", window] = loop(audience, window)
        windows: dict[tuple[str, int], list[Window]] = {}
        for turn in range(rounds):
            for key, each in loops.items():
                plan.progress(f"fan-out: round {turn + 1} of {rounds}, {key[0]}, {key[1]} outstanding")
                windows.setdefault(key, []).append(await each.run(plan.sizes.window_seconds))
    return [
        figure
        for window in (1, 8)
        for figure in _compare(plan, windows["server", window], windows["floor", window], window, size)
    ]


def _compare(
    plan: Plan, rounds: Sequence[Window], floor_rounds: Sequence[Window], window: int, size: int
) -> list[Figure]:
    """Make figures of a server's rounds and of the floor's in between."""
    seen, least = total(rounds), total(floor_rounds)
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
    inside = await stages.measure(publish_request("log:bench").payload % 12_345, DATA, subscribers=1_000)
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
        "publish, no history, to 0": publish_request("bench"),
        "publish, history, to 0": publish_request("log:bench"),
    }
    windows: dict[str, list[Window]] = {}
    async with (
        plan.running() as server,
        crowd(endpoint_of(server)) as clients,
        crowd(endpoint_of(server)) as nobody,
    ):
        commander = await nobody.add_commander([CONNECT])
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
                [opening("log:bench")] * (audience - len(clients)), within_seconds=DEADLINE_SECONDS
            )
            await _one_by_one(clients, commander, seconds=WARM_UP_SECONDS)
            watch = Watch(server)
            latencies = await _one_by_one(clients, commander, seconds=seconds * rounds)
            window = watch.end(answers=len(latencies), deliveries=len(latencies) * audience)
            windows[f"publish, history, to {audience:,}"] = [window]
    costs = {name: total(rounds).per_answer() for name, rounds in windows.items()}
    return costs, statistics.median(latencies)


async def idle(plan: Plan) -> list[Figure]:
    """Memory of connections that are connected, subscribed and quiet."""
    count = plan.sizes.idle_connections
    rooms = 1_000
    layouts = {
        f"{rooms:,} topics": [opening(f"log:room-{number % rooms}") for number in range(count)],
        "one topic": [opening("log:bench")] * count,
    }
    figures = []
    for name, openings in layouts.items():
        async with plan.running() as server, crowd(endpoint_of(server)) as clients:
            # The first connections pay for what all share: caches, thread pools, lazy imports.
            await clients.add_subscribers(openings[:100], within_seconds=DEADLINE_SECONDS)
            before = await _settled_bytes(server)
            await clients.add_subscribers(
                openings[100:],
                within_seconds=DEADLINE_SECONDS * 2,
                progress=lambda opened, name=name: (  # type: ignore[misc]  # mypy infers no lambda with a default.
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
    async with plan.running() as server, crowd(endpoint_of(server)) as clients:
        await clients.add_subscribers([opening("log:bench")] * 50, within_seconds=DEADLINE_SECONDS)
        plan.progress(f"connect: {count:,} connections")
        watch = Watch(server)
        await clients.add_subscribers(
            [opening(f"log:room-{number % 100}") for number in range(count)],
            within_seconds=DEADLINE_SECONDS,
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
        crowd(endpoint_of(server)) as nobody,
        crowd(endpoint_of(server)) as clients,
    ):
        for count in (1, 16):
            commanders = [await clients.add_commander([CONNECT]) for _ in range(count)]
            loop = ClosedLoop(
                server=server,
                clients=nobody,
                commanders=commanders,
                request=publish_request("log:bench"),
                window=1,
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
    request, latencies = publish_request("log:bench"), []
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        expected = clients.tally.publications + len(clients)
        await commander.ask(request, within_seconds=DEADLINE_SECONDS)
        await clients.tally.reach(expected, within_seconds=DEADLINE_SECONDS)
        latencies.append(time.monotonic() - began)
    clients.check_alive()
    return latencies


async def _settled_bytes(server: Server) -> int:
    """Return the server's memory once it has stopped moving, or after 10 s."""
    size = server.resident_bytes()
    for _ in range(20):
        await asyncio.sleep(0.5)
        earlier, size = size, server.resident_bytes()
        if abs(size - earlier) < 64 * 1024:
            break
    return size
