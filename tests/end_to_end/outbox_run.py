"""Writers, and relays that are killed at random moments: what was committed against what was received."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from realtime.layers.base import Event
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Publication
from tests.servers import ROOT
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_outbox"
LOCKED = [f"locked:{number}" for number in range(4)]
FREE = [f"free:{number}" for number in range(4)]
RELAYS = 2
# How long after the last commit something may still be missing: relays go on dying, and start anew.
PATIENCE_SECONDS = 60
# How long a relay lives, at most: many batches, or none. It is counted in what arrives, so that a fast
# machine sees as many deaths as a slow one, and ends in any case.
LIFE_PUBLICATIONS, LIFE_SECONDS = 400, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`disordered`: topics whose publications are not those that were committed, once each, in order."""

    committed: int
    received: int
    killed: int
    disordered: tuple[str, ...]
    left_in_the_outbox: int
    seconds: float

    @property
    def is_good(self) -> bool:
        is_complete = self.received == self.committed > 0
        return is_complete and not self.disordered and not self.left_in_the_outbox


class Received:
    """Implements Receiver: what every subscriber gets, in order."""

    def __init__(self) -> None:
        self.of: dict[str, list[dict[str, Any]]] = {topic: [] for topic in (*LOCKED, *FREE)}

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        assert isinstance(event, Publication)
        self.of[topic].append(msgspec.json.decode(event.data))

    def doubt(self, topics: Iterable[str]) -> None:
        """Nothing happens to Redis here."""


class Relays:
    """Processes of `manage.py relay`; each is killed after a random time, and another takes its place."""

    def __init__(self, fork: asyncio.subprocess.Process, received: Received, rng: random.Random) -> None:
        self._fork = fork
        self._received = received
        self._rng = rng
        self.killed = 0

    async def keep_killing(self) -> None:
        while True:
            relay = await self.start_one()
            goal = len(self._received) + self._rng.randrange(LIFE_PUBLICATIONS)
            await self._wait_for(goal)
            os.kill(relay, signal.SIGKILL)
            self.killed += 1

    async def _wait_for(self, publications: int) -> None:
        with suppress(TimeoutError):
            await until(lambda: len(self._received) >= publications, patience_seconds=LIFE_SECONDS)

    async def start_one(self) -> int:
        assert self._fork.stdin is not None
        assert self._fork.stdout is not None
        self._fork.stdin.write(b"\n")
        return int(await self._fork.stdout.readline())


async def run_outbox(
    *,
    folder: Path,
    database_url: str,
    redis_url: str,
    prefix: str,
    transactions: int,
    writers: int,
    seed: int,
) -> Verdict:
    """A third of the transactions is rolled back. The database must be new; its schema is made here."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": prefix,
    }
    with (folder / "relays.log").open("wb") as log:
        await _finish(_python(env, "manage.py", "migrate", "realtime", "-v", "0"))
        await asyncio.to_thread(_make_counters, database_url)
        received, layer = Received(), RedisTopicLayer(hosts=[redis_url], prefix=prefix)
        layer.attach(received)
        for topic in received.of:
            await layer.subscribe(topic)
        rng = random.Random(seed)  # noqa: S311  # Repeatable.
        began = time.monotonic()
        async with _forking(env, log.fileno()) as fork:
            relays = Relays(fork, received, rng)
            killing = [asyncio.create_task(relays.keep_killing()) for _ in range(RELAYS)]
            printed = await _finish(
                _python(
                    env, "-m", "tests.end_to_end.outbox_writer", f"{writers}", f"{transactions}", f"{seed}"
                )
            )
            committed: dict[str, Counter[str]] = {}
            for line in printed.splitlines():
                committed |= {name: Counter(counts) for name, counts in json.loads(line).items()}
            total = sum(sum(counter.values()) for counter in committed.values())
            # They go on dying until all is there; then one is left in peace to clear the table.
            await until(lambda: len(received) >= total, patience_seconds=PATIENCE_SECONDS)
            for task in killing:
                task.cancel()
            await asyncio.wait(killing)
            await relays.start_one()
            left = await _wait_until_empty(database_url)
            seconds = time.monotonic() - began
        await layer.close()
    return Verdict(
        committed=total,
        received=len(received),
        killed=relays.killed,
        disordered=tuple(_find_disordered(received, committed)),
        left_in_the_outbox=left,
        seconds=seconds,
    )


def _find_disordered(received: Received, committed: Mapping[str, Counter[str]]) -> Iterable[str]:
    for topic in LOCKED:
        total = sum(counter[topic] for counter in committed.values())
        if [each["n"] for each in received.of[topic]] != list(range(1, total + 1)):
            yield topic
    for topic in FREE:
        for writer, counter in committed.items():
            numbers = [each["n"] for each in received.of[topic] if each["by"] == writer]
            if numbers != list(range(1, counter[topic] + 1)):
                yield f"{topic} by {writer}"


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────


def _python(env: Mapping[str, str], *arguments: str) -> Any:
    return asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _finish(starting: Any) -> bytes:
    """What it printed."""
    process: asyncio.subprocess.Process = await starting
    try:
        printed, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(errors.decode())
    return printed


@asynccontextmanager
async def _forking(env: Mapping[str, str], log: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.end_to_end.outbox_relays",
        cwd=ROOT,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()


# ── The database ──────────────────────────────────────────────────────────────────────────────────


def _make_counters(database_url: str) -> None:
    statements = [
        "CREATE TABLE test_counter (topic varchar(20) PRIMARY KEY, number integer)",
        *(f"INSERT INTO test_counter VALUES ('{topic}', 0)" for topic in LOCKED),  # noqa: S608  # Ours.
    ]
    with closing(_connect(database_url)) as connection:
        for statement in statements:
            connection.execute(statement)


async def _wait_until_empty(database_url: str) -> int:
    def count() -> int:
        with closing(_connect(database_url)) as connection:
            [number] = connection.execute("SELECT count(*) FROM realtime_outboxrow").fetchone()
            return int(number)

    deadline = time.monotonic() + 10
    while (left := await asyncio.to_thread(count)) and time.monotonic() < deadline:  # noqa: ASYNC110  # Other processes set no events of ours.
        await asyncio.sleep(0.05)
    return left


def _connect(database_url: str) -> Any:
    if database_url.startswith("sqlite"):
        return sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    return psycopg.connect(database_url, autocommit=True)
