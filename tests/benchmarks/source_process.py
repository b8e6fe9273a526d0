"""A source as a process of its own, so that its CPU time can be told from others'.

It takes jobs, one JSON object a line, and answers each with a line that says what it came to:

    python -m tests.benchmarks.source_process --redis redis://127.0.0.1:6379
    {"source": "topic", "outstanding": 64, "seconds": 2}
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import uvloop

from tests.benchmarks.channels_app import GROUP
from tests.benchmarks.commands import DATA
from tests.benchmarks.load import LoadError
from tests.benchmarks.processes import ROOT, Cores, Cpu, only_core
from tests.benchmarks.sources import CoreSource, PubSubSource, Source, TopicSource

SourceName = Literal["topic", "topic without history", "topic, blocking", "core group", "pub/sub group"]

_WARM_UP_SECONDS = 0.2
_ANSWER_WITHIN_SECONDS = 60


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Publish for `seconds`, so many at a time, each when an earlier one was answered."""

    source: SourceName
    outstanding: int
    seconds: float


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a job came to; CPU of the whole process."""

    count: int
    seconds: float
    user_seconds: float
    system_seconds: float
    waited_seconds: float

    def __add__(self, other: "Done") -> "Done":
        return Done(
            count=self.count + other.count,
            seconds=self.seconds + other.seconds,
            user_seconds=self.user_seconds + other.user_seconds,
            system_seconds=self.system_seconds + other.system_seconds,
            waited_seconds=self.waited_seconds + other.waited_seconds,
        )

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def each(self) -> Cpu:
        """Return microseconds per publication."""
        return Cpu(self.user_seconds / self.count * 1e6, self.system_seconds / self.count * 1e6)

    def busy(self) -> str:
        """Say how busy the core was, and whether others got in the way."""
        text = f"{(self.user_seconds + self.system_seconds) / self.seconds:.0%} of its core"
        waited = self.waited_seconds / self.seconds
        return text if waited < 0.05 else f"{text}; others took {waited:.0%}"


class SourceProcess:
    """A running one, on the servers' core."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, job: Job) -> Done:
        """LoadError when it does not answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise LoadError("the source has no pipes")
        stdin.write(msgspec.json.encode(job) + b"\n")
        try:
            line = await asyncio.wait_for(stdout.readline(), _ANSWER_WITHIN_SECONDS)
        except TimeoutError:
            line = b""
        if not line:
            raise LoadError(f"the source gave no answer to {job}")
        return msgspec.json.decode(line, type=Done)


@asynccontextmanager
async def source_process(redis_url: str, *, cores: Cores | None) -> AsyncIterator[SourceProcess]:
    """Give one and kill it at the end."""
    with only_core(cores):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.source_process", "--redis", redis_url,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
    try:
        yield SourceProcess(process)
    finally:
        process.kill()
        await process.wait()


def work(redis_url: str) -> None:
    """Take jobs until there are no more. Each has a loop and connections of its own, as a process would."""
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        done = _block(job, redis_url) if job.source == "topic, blocking" else uvloop.run(_run(job, redis_url))
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()


async def _run(job: Job, redis_url: str) -> Done:
    async with aclosing(await _make_source(job.source, redis_url)) as source:
        await _publish_for(_WARM_UP_SECONDS, source, job.outstanding)
        watch = _Watch()
        return watch.end(await _publish_for(job.seconds, source, job.outstanding))


async def _make_source(name: SourceName, redis_url: str) -> Source:
    text = DATA.decode()
    match name:
        case "topic":
            return TopicSource(redis_url, f"log:{GROUP}")
        case "topic without history":
            return TopicSource(redis_url, GROUP)
        case "core group":
            source = CoreSource(redis_url, text)
            await source.add_member()
            return source
        case "pub/sub group":
            return PubSubSource(redis_url, text)
        case "topic, blocking":
            raise ValueError("a blocking source has no event loop")


async def _publish_for(seconds: float, source: Source, outstanding: int) -> int:
    until = time.monotonic() + seconds

    async def publish() -> int:
        count = 0
        while time.monotonic() < until:
            await source.publish()
            count += 1
        return count

    return sum(await asyncio.gather(*(publish() for _ in range(outstanding))))


def _block(job: Job, redis_url: str) -> Done:
    source = TopicSource(redis_url, f"log:{GROUP}")
    _block_for(_WARM_UP_SECONDS, source.publish_blocking)
    watch = _Watch()
    return watch.end(_block_for(job.seconds, source.publish_blocking))


def _block_for(seconds: float, publish: Callable[[], None]) -> int:
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        publish()
        count += 1
    return count


class _Watch:
    """Begins to look at this process; `end` gives what happened since."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._waited_seconds = _waited_seconds()

    def end(self, count: int) -> Done:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Done(
            count=count,
            seconds=time.monotonic() - self._began,
            user_seconds=usage.ru_utime - self._usage.ru_utime,
            system_seconds=usage.ru_stime - self._usage.ru_stime,
            waited_seconds=_waited_seconds() - self._waited_seconds,
        )


def _waited_seconds() -> float:
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publishes as it is told to.")
    parser.add_argument("--redis", required=True)
    work(parser.parse_args().redis)
