"""The command: picks measures and servers, runs them, prints the table and stores it."""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from realtime.errors import CommandError
from tests.benchmarks import login, measures, outbox, over_http, over_redis
from tests.benchmarks.load import LoadError
from tests.benchmarks.machine import Origin
from tests.benchmarks.plan import Plan, Sizes
from tests.benchmarks.processes import ROOT, Cores, ServerError, ServerName, allow_open_files
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.side_by_side import side_by_side

RESULTS = Path(__file__).parent / "results"

Measure = Callable[[Plan], Awaitable[list[Figure]]]

# In the memory of one process: of each server.
MEASURES: dict[str, Measure] = {
    "fanout": measures.fan_out,
    "path": measures.path,
    "connect": measures.connect,
    "publish": measures.publish,
    "idle": measures.idle,
    "login": login.connect,
    "http-publish": over_http.publish,
}
# Over Redis: of `serve`, and of what it is compared with.
REDIS_MEASURES: dict[str, Measure] = {
    "redis-fanout": over_redis.fan_out,
    "redis-receive": over_redis.receive,
    "redis-publish": over_redis.publish,
    "redis-latency": over_redis.latency,
    "redis-workers": over_redis.workers,
    "redis-layers": side_by_side,
}
ALL_REDIS = "redis"
# Of a process that serves nobody over a socket.
OWN_MEASURES: dict[str, Measure] = {
    "outbox": outbox.transactions,
}
_NAMES = [*MEASURES, *REDIS_MEASURES, *OWN_MEASURES]

# daphne is there for the record, without bars: it gets as much time as its figures need, not more.
FULL: dict[ServerName, Sizes] = {
    "serve": Sizes(
        subscribers=1_000,
        window_seconds=2,
        rounds=4,
        idle_connections=10_000,
        connects=3_000,
        latency_samples=2_000,
        cut_samples=600,
    ),
    "daphne": Sizes(subscribers=1_000, window_seconds=2, rounds=2, idle_connections=2_000, connects=1_000),
}
QUICK: dict[ServerName, Sizes] = {
    "serve": Sizes(
        subscribers=1_000,
        window_seconds=0.6,
        rounds=2,
        idle_connections=1_000,
        connects=500,
        latency_samples=300,
        cut_samples=200,
    ),
    "daphne": Sizes(subscribers=200, window_seconds=0.6, rounds=1, idle_connections=300, connects=200),
}


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; 1 when a measure failed, which a missed bar is not."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that servers are ended on the way out.
    sizes = QUICK if options.quick else FULL
    began = time.monotonic()
    figures: list[Figure] = []
    failures: list[str] = []
    try:
        allow_open_files(max(size.idle_connections for size in sizes.values()) + 1_000)
    except ServerError as error:
        _progress(str(error))
        return 1
    cores = _pin_to_cores()
    for section, server, name, measure in _chosen(options):
        plan = Plan(
            server=server,
            section=section,
            sizes=sizes[server],
            cores=cores,
            has_bars=server == "serve",
            progress=lambda text, section=section: _progress(f"{section}: {text}"),  # type: ignore[misc]  # mypy infers no lambda with a default.
        )
        try:
            figures += uvloop.run(_finish(measure, plan))
        except (CommandError, LoadError, ServerError, TimeoutError) as error:
            # The other measures still tell something; the report and the exit status say what is missing.
            failures.append(f"{section}, {name}: {str(error) or 'out of time'}")
            _progress(f"Failed: {failures[-1]}")
    report = Report(
        origin=Origin.here_and_now(ROOT),
        command=shlex.join(["python", "-m", "tests.benchmarks", *arguments]),
        seconds=time.monotonic() - began,
        figures=figures,
        failures=failures,
    )
    print(report.as_text())
    if options.json:
        options.json.write_text(report.as_json())
    elif not options.quick and set(options.only) == set(_NAMES) and options.server == "both":
        # Only a full run replaces a full run.
        report.store(RESULTS)
        _progress(f"Stored in {RESULTS.relative_to(ROOT)}.")
    return 1 if failures else 0


def _chosen(options: Any) -> Iterator[tuple[str, ServerName, str, Measure]]:
    """Give section, server, name and function of each measure that was asked for, in the report's order."""
    for server in options.servers:
        for name in options.only:
            if name in MEASURES:
                yield server, server, name, MEASURES[name]
        for name in options.only:
            if name in REDIS_MEASURES and server == "serve":
                section = "serve over Redis" if name != "redis-layers" else "layers side by side, over Redis"
                yield section, server, name, REDIS_MEASURES[name]
        for name in options.only:
            if name in OWN_MEASURES and server == "serve":
                yield name, server, name, OWN_MEASURES[name]


async def _finish(measure: Measure, plan: Plan) -> list[Figure]:
    return await measure(plan)


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure the server's CPU time and memory per unit of work. Needs Linux.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small numbers, about two minutes, rough figures"
    )
    parser.add_argument(
        "--only",
        metavar="NAME,...",
        default=",".join(_NAMES),
        help=f"{', '.join(_NAMES)}; {ALL_REDIS} for all that begin so",
    )
    parser.add_argument("--server", choices=["serve", "daphne", "both"], default="both")
    parser.add_argument(
        "--json", metavar="PATH", type=Path, help="write the result there and not to results/"
    )
    options = parser.parse_args(arguments)
    options.only = [
        name for word in options.only.split(",") for name in (REDIS_MEASURES if word == ALL_REDIS else [word])
    ]
    if unknown := [name for name in options.only if name not in _NAMES]:
        parser.error(f"unknown measure {', '.join(unknown)}; there are {', '.join(_NAMES)}")
    options.servers = ["serve", "daphne"] if options.server == "both" else [options.server]
    if sys.platform != "linux":
        parser.error(
            "CPU time and memory are read from /proc: run this on Linux, in a container for instance"
        )
    return options


def _pin_to_cores() -> Cores | None:
    cores = Cores.choose()
    if not cores.are_apart:
        _progress("There is only one core: server and load share it, and rates per second mean little.")
        return None
    if os.getloadavg()[0] > 0.5:
        _progress(
            "Other programs are busy. Their share of the cores is not in the figures; what they do to the"
        )
        _progress("caches is, and the split of user and system time gets worse: repeat on a quiet machine.")
    os.sched_setaffinity(0, {cores.load})
    return cores


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
