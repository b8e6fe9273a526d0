"""Publishing over HTTP, next to Django views that only answer, on the same server."""

import asyncio
import statistics
from collections.abc import Sequence

import msgspec

from tests.benchmarks.api_key import API_KEY
from tests.benchmarks.commands import DATA
from tests.benchmarks.http_load import Poster, posters, request_bytes
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import Server
from tests.benchmarks.report import Figure
from tests.benchmarks.windows import WARM_UP_SECONDS, Watch, Window, total

CLIENTS = 16
MEASURE = "publish over HTTP"

_BODY = msgspec.json.encode({"channel": "log:bench", "data": msgspec.Raw(DATA)})
_KEY = {"X-API-Key": API_KEY}
REQUESTS = {
    "/api/publish": request_bytes("/api/publish", _BODY, _KEY),
    "a bare Django async view": request_bytes("/benchmark/bare", _BODY),
    "django-ninja, typed": request_bytes("/benchmark/ninja/publish", _BODY),
}


async def publish(plan: Plan) -> list[Figure]:
    """Publications into a topic with history that nobody is subscribed to, by `POST /api/publish`."""
    windows: dict[str, list[Window]] = {name: [] for name in REQUESTS}
    latencies: dict[str, list[float]] = {name: [] for name in REQUESTS}
    async with plan.running() as server:
        for turn in range(plan.sizes.rounds):
            for name, request in REQUESTS.items():
                plan.progress(f"HTTP: round {turn + 1} of {plan.sizes.rounds}, {name}")
                window, _ = await _run(server, request, CLIENTS, plan.sizes.window_seconds)
                windows[name].append(window)
                _, seconds = await _run(server, request, 1, plan.sizes.window_seconds)
                latencies[name] += seconds
    figures = []
    for name in REQUESTS:
        window = total(windows[name])
        cost = window.per_answer()
        cuts = statistics.quantiles(latencies[name], n=100, method="inclusive")
        figures += [
            plan.figure(MEASURE, f"{name}: per second of CPU", 1e6 / cost.total, "/s", note=window.busy()),
            plan.figure(MEASURE, f"{name}: user CPU each", cost.user, "µs", note=f"{CLIENTS} clients"),
            plan.figure(MEASURE, f"{name}: system CPU each", cost.system, "µs"),
            plan.figure(MEASURE, f"{name}: p50", cuts[49] * 1e3, "ms", note="one client"),
            plan.figure(MEASURE, f"{name}: p99", cuts[98] * 1e3, "ms"),
        ]
    return figures


async def _run(server: Server, request: bytes, count: int, seconds: float) -> tuple[Window, list[float]]:
    """The window after the warm-up, and how long each request of it took."""
    async with posters(server.port, request, count) as clients:
        for client in clients:
            client.start()
        await asyncio.sleep(WARM_UP_SECONDS)
        watch, before = Watch(server), [len(client.seconds) for client in clients]
        await asyncio.sleep(seconds)
        window = watch.end(answers=_answers(clients) - sum(before), deliveries=0)
        for client in clients:
            await client.stop()
    taken = [each for client, start in zip(clients, before, strict=True) for each in client.seconds[start:]]
    return window, taken


def _answers(clients: Sequence[Poster]) -> int:
    return sum(len(client.seconds) for client in clients)
