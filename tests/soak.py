"""The long form of the runs with faults, with the outbox and with churn: `make soak` (`SOAK_ARGS=--help`).

It ends with an error at the first round in which anything was lost, doubled, out of order or left behind.
Linux only, as the runs are.
"""

import argparse
import asyncio
import contextlib
import itertools
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import uvloop

from tests.end_to_end.churn import SETTINGS, Churn
from tests.end_to_end.fault_run import FaultRun, fault_run
from tests.end_to_end.faults import Faults
from tests.end_to_end.outbox_run import run_outbox
from tests.postgres import running_postgres
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import until

# More than the tests have, and what a machine with two cores still serves in time.
LEAN, SDK, PER_SECOND = 450, 50, 300
FAULTS_A_ROUND = 4
# Publications between two faults, at most: two seconds' worth.
MEANWHILE = 600
# Clients that lose their sockets at once, and how long until the next do.
CUT_AT_ONCE, CUT_EVERY_SECONDS = 5, 0.2

OUTBOX_TRANSACTIONS = 20_000

VISITS_A_WAVE = 60
REPORT_EVERY_SECONDS = 15
# Of the time, until memory has grown to what such a load takes.
WARM_UP = 0.2
MOST_GROWTH_BYTES = 4 * 2**20


class Failed(Exception):
    """What was found is in the text."""


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


# ── Faults ────────────────────────────────────────────────────────────────────────────────────────


async def soak_faults(folder: Path, seconds: float, rng: random.Random) -> None:
    """Rounds of random faults, while clients are cut at random moments."""
    end = time.monotonic() + seconds
    env = {"REALTIME_SHUTDOWN_DELAY": "0.5", "REALTIME_SHUTDOWN_SPREAD": "2"}
    async with fault_run(folder, is_durable=True, lean=LEAN, sdk=SDK, per_second=PER_SECOND, env=env) as run:
        while True:
            # Once in a while all is lost, and everybody must be told.
            keeps_logs = rng.random() < 0.8
            await _hurt(run, keeps_logs=keeps_logs, rng=rng)
            if time.monotonic() > end:
                return
            run.begin()


async def _hurt(run: FaultRun, *, keeps_logs: bool, rng: random.Random) -> None:
    faults: dict[str, Callable[[], Awaitable[object]]] = {
        "Redis killed": lambda: run.restart_redis(keep_data=True),
        "Redis stopped": lambda: run.stop_redis_for(rng.uniform(0.1, 10)),
        "pub/sub cut": run.cut_pubsub,
        "commands cut": run.cut_commands,
        "worker killed": run.kill_worker,
        "rolled": run.roll,
    }
    names = rng.choices(list(faults), k=FAULTS_A_ROUND)
    cutting = asyncio.create_task(_cut_clients(run, rng))
    for name in names:
        await run.flow.advance(rng.randrange(MEANWHILE), patience_seconds=60)
        await faults[name]()
    if not keeps_logs:
        names.append("Redis emptied")
        await run.restart_redis(keep_data=False)
    await run.flow.advance(MEANWHILE, patience_seconds=60)
    cutting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cutting
    verdict = await run.judge()
    say(f"{', '.join(names)}\n          {verdict}")
    expected = 0 if keeps_logs else run.fleet.subscriptions
    _, _, crash = run.server.log.read_text().partition("Traceback")
    if verdict.faults != Faults() or verdict.told != expected or crash:
        raise Failed(f"expected no faults and {expected} told; the server's log: {run.server.log}\n{crash}")


async def _cut_clients(run: FaultRun, rng: random.Random) -> None:
    while True:
        await asyncio.sleep(CUT_EVERY_SECONDS * rng.uniform(0, 2))
        run.cut_clients(CUT_AT_ONCE)


# ── The outbox ────────────────────────────────────────────────────────────────────────────────────


async def soak_outbox(folder: Path, seconds: float, rng: random.Random) -> None:
    """Writers and relays that are killed, on SQLite and on PostgreSQL in turn, each time from the start."""
    end = time.monotonic() + seconds
    with RedisServer() as redis:
        for number in itertools.count():
            with ExitStack() as stack:
                url = f"sqlite:///{folder / f'outbox{number}.sqlite3'}"
                if number % 2:
                    url = stack.enter_context(running_postgres())
                verdict = await run_outbox(
                    folder=folder,
                    database_url=url,
                    redis_url=redis.url,
                    prefix=f"outbox{number}",
                    transactions=OUTBOX_TRANSACTIONS,
                    writers=4,
                    seed=rng.getrandbits(32),
                )
            say(f"outbox on {url.partition(':')[0]}: {verdict}")
            if not verdict.is_good:
                raise Failed(f"the relays' log: {folder / 'relays.log'}")
            if time.monotonic() > end:
                return


# ── Churn ─────────────────────────────────────────────────────────────────────────────────────────


async def soak_churn(folder: Path, seconds: float) -> None:
    """Clients come and go, with new topics each time, as fast as they can."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        servers = [
            stack.enter_context(
                Server(settings=SETTINGS, env={"REDIS_URL": redis.url}, log=folder / f"churn{number}.log")
            )
            for number in range(2)
        ]
        churn = Churn(servers, redis)
        before = churn.look()
        await _churn_for(churn, seconds * WARM_UP)
        await until(lambda: churn.look() == before)
        warm = churn.measure()
        await _churn_for(churn, seconds * (1 - WARM_UP))
        await until(lambda: churn.look() == before)
        after = churn.measure()
        say(f"churn: {churn.visits:,} visits, {churn.topics:,} topics  {warm} -> {after}")
        if any(
            late - early > MOST_GROWTH_BYTES for early, late in zip(warm.servers, after.servers, strict=True)
        ):
            raise Failed(f"memory grew by more than {MOST_GROWTH_BYTES:,} bytes")


async def _churn_for(churn: Churn, seconds: float) -> None:
    now = time.monotonic()
    end, report_at = now + seconds, now
    while now < end:
        if now >= report_at:
            say(f"churn: {churn.visits:,} visits  {churn.measure()}")
            report_at = now + REPORT_EVERY_SECONDS
        await churn.wave(VISITS_A_WAVE)
        now = time.monotonic()


# ── The command ───────────────────────────────────────────────────────────────────────────────────


async def soak(options: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="switchboard-soak-"))
    say(f"seed {options.seed}; the servers' logs are in {folder}")
    random.seed(options.seed)
    if options.only in (None, "faults"):
        await soak_faults(folder, options.minutes * 60, random.Random(options.seed))  # noqa: S311  # Repeatable.
    if options.only in (None, "outbox"):
        await soak_outbox(folder, options.minutes * 60, random.Random(options.seed))  # noqa: S311  # Likewise.
    if options.only in (None, "churn"):
        await soak_churn(folder, options.minutes * 60)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of each part; 10 by default")
    parser.add_argument("--only", choices=["faults", "outbox", "churn"], help="one part alone")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="of the faults' choice")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.test")
    # Outages are what this is about.
    logging.disable(logging.WARNING)
    try:
        uvloop.run(soak(options))
    except Failed as error:
        sys.exit(f"Failed: {error}")
    say("Nothing was lost, doubled, out of order or left behind.")


if __name__ == "__main__":
    main()
