"""What the outbox costs a transaction, and how long its publications take: on SQLite and on PostgreSQL."""

import asyncio
import os
import statistics
import sys
import tempfile
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psycopg

from tests.benchmarks.load import LoadError
from tests.benchmarks.outbox_jobs import Done, How, Job
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import ROOT, Cores, ServerError, only_core, redis_environment, running_redis
from tests.benchmarks.report import Figure
from tests.postgres import running_postgres

_WAYS: tuple[How, ...] = ("no publication", "published after commit", "outbox")
# Light load: each publication is long there when the next one comes.
_PACE_PER_SECOND = 100
_ANSWER_WITHIN_SECONDS = 60


async def transactions(plan: Plan) -> list[Figure]:
    """Chat messages stored by one thread of a serving process, on each database with its layer."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        url = f"sqlite:///{Path(folder, 'db.sqlite3')}"
        figures += await _measure(plan, "SQLite, memory", {"DATABASE_URL": url, **redis_environment("")})
    with running_redis() as redis, _postgres_database() as url:
        environment = {"DATABASE_URL": url, **redis_environment(redis.url)}
        figures += await _measure(plan, "PostgreSQL, Redis", environment)
    return figures


async def _measure(plan: Plan, where: str, environment: dict[str, str]) -> list[Figure]:
    done: dict[How, list[Done]] = {how: [] for how in _WAYS}
    lags: dict[How, list[float]] = {how: [] for how in _WAYS[1:]}
    async with _process(environment, plan.cores) as process:
        for turn in range(plan.sizes.rounds):
            for how in _WAYS:
                plan.progress(f"outbox on {where}: round {turn + 1} of {plan.sizes.rounds}, {how}")
                done[how].append(await _run(process, Job(how=how, seconds=plan.sizes.window_seconds)))
                if how in lags:
                    paced = Job(how=how, seconds=plan.sizes.window_seconds, per_second=_PACE_PER_SECOND)
                    lags[how] += (await _run(process, paced)).lags
    measure = f"transactions on {where}"
    figures = []
    for how, windows in done.items():
        count = sum(window.count for window in windows)
        cpu = sum(window.cpu_seconds for window in windows)
        seconds = sum(window.seconds for window in windows)
        figures += [
            plan.figure(measure, f"{how}: of one thread", count / seconds, "/s"),
            plan.figure(measure, f"{how}: CPU each", cpu / count * 1e6, "µs", note="the relay's too"),
        ]
        if how in lags:
            cuts = statistics.quantiles(lags[how], n=100, method="inclusive")
            note = f"{_PACE_PER_SECOND} per second, from the commit to the hub"
            figures += [
                plan.figure(measure, f"{how}: lag p50", cuts[49] * 1e3, "ms", note=note),
                plan.figure(measure, f"{how}: lag p99", cuts[98] * 1e3, "ms"),
            ]
    return figures


@asynccontextmanager
async def _process(environment: dict[str, str], cores: Cores | None) -> AsyncIterator[Process]:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings_outbox",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    migrating = await asyncio.create_subprocess_exec(
        sys.executable, "manage.py", "migrate", "--verbosity=0", cwd=ROOT, env=env, stdin=DEVNULL
    )
    if await migrating.wait():
        raise ServerError("`manage.py migrate` failed")
    with only_core(cores):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.outbox_process",
            cwd=ROOT, env=env, stdin=PIPE, stdout=PIPE, limit=2**24,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _run(process: Process, job: Job) -> Done:
    if process.stdin is None or process.stdout is None:
        raise LoadError("the process has no pipes")
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), _ANSWER_WITHIN_SECONDS)
    if not line:
        raise LoadError(f"no answer to {job}")
    return msgspec.json.decode(line, type=Done)


@contextmanager
def _postgres_database() -> Iterator[str]:
    """Of a throw-away server, or of one that somebody lends; without fsync in the first case."""
    with running_postgres() as url, psycopg.connect(url, autocommit=True) as connection:
        name = f"switchboard_{uuid.uuid4().hex}"
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
