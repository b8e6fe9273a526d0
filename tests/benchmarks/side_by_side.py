"""The same work over each layer that a Django Channels project may have, in one table.

    Switchboard topic   `serve`; a topic with history
    core, pub/sub       channels_redis' two layers with their defaults: consumers in a group, on uvicorn
                        (channels_app.py); they get ready text, as large as what Switchboard sends

Each measure of each layer begins with an empty Redis of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks.commands import endpoint_of, opening
from tests.benchmarks.floor import publication_frame
from tests.benchmarks.frames import frame_span
from tests.benchmarks.load import LoadError, crowd
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import Server, running, running_redis
from tests.benchmarks.report import Figure
from tests.benchmarks.source_process import Done, Job, SourceName, source_process
from tests.benchmarks.sources import CoreSource, PubSubSource, Source, TopicSource
from tests.benchmarks.windows import DEADLINE_SECONDS, Flow, Window, total
from tests.redis_server import RedisServer

# As Switchboard's frames of the measures' topic are.
_FRAME_BYTES = 200
_AT_ONCE = 64
# Slow enough for every layer to keep up with, so that what does not come was lost and is not late.
_PACE_PER_SECOND = 200
_CUTS = 5
_LATE_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A layer: its server, what a client of it says first, and who publishes."""

    name: str
    serve: Callable[[Plan, str], AbstractAsyncContextManager[Server]]
    opening: Sequence[bytes]
    source: Callable[[str], Source]
    # What publishes in a process of its own: with nothing kept, and with history where there is any.
    jobs: Sequence[SourceName]


def _channels(layer: str) -> Callable[[Plan, str], AbstractAsyncContextManager[Server]]:
    return lambda plan, url: running(
        "channels", arguments=["--layer", layer, "--redis", url], cores=plan.cores
    )


def _text() -> str:
    frame = publication_frame(_FRAME_BYTES)
    begin, end = frame_span(frame, 0, len(frame)) or (0, 0)
    return frame[begin:end].decode()


CONTESTANTS = (
    Contestant(
        name="Switchboard topic",
        serve=lambda plan, url: plan.running(redis_url=url),
        opening=opening("log:bench"),
        source=lambda url: TopicSource(url, "log:bench"),
        jobs=["topic without history", "topic"],
    ),
    Contestant(
        name="channels_redis core",
        serve=_channels("core"),
        opening=[],
        source=lambda url: CoreSource(url, _text()),
        jobs=["core group"],
    ),
    Contestant(
        name="channels_redis pub/sub",
        serve=_channels("pubsub"),
        opening=[],
        source=lambda url: PubSubSource(url, _text()),
        jobs=["pub/sub group"],
    ),
)


async def side_by_side(plan: Plan) -> list[Figure]:
    """Fan-out, publishing, and what a cut pub/sub connection costs."""
    figures = []
    for contestant in CONTESTANTS:
        with running_redis() as redis:
            figures += await _fan_out(plan, contestant, redis)
        with running_redis() as redis:
            figures += await _publish(plan, contestant, redis)
        with running_redis() as redis:
            figures += await _lose(plan, contestant, redis)
    return figures


async def _fan_out(plan: Plan, contestant: Contestant, redis: RedisServer) -> list[Figure]:
    count, rounds = plan.sizes.subscribers, plan.sizes.rounds
    async with _stage(plan, contestant, redis) as (server, source), crowd(endpoint_of(server)) as audience:
        plan.progress(f"{contestant.name}, opening {count:,} connections")
        await audience.add_subscribers([contestant.opening] * count, within_seconds=DEADLINE_SECONDS)
        plan.progress(f"{contestant.name}, fan-out")
        flow = Flow(servers=[server], clients=audience, publish=source.publish, outstanding=1, copies=count)
        seen: Window = total([await flow.run(plan.sizes.window_seconds) for _ in range(rounds)])
    cost, work = seen.per_delivery(), f"fan-out to {count:,} in one process"
    return [
        plan.figure(
            work, "user CPU per delivery", cost.user, "µs", note="1 outstanding", column=contestant.name
        ),
        plan.figure(work, "system CPU per delivery", cost.system, "µs", column=contestant.name),
        plan.figure(work, "deliveries", seen.deliveries / seen.seconds, "/s", column=contestant.name),
    ]


async def _publish(plan: Plan, contestant: Contestant, redis: RedisServer) -> list[Figure]:
    figures = []
    async with source_process(redis.url, cores=plan.cores) as process:
        for name in contestant.jobs:
            plan.progress(f"{contestant.name}, publish")
            done: Done = await process.run(
                Job(source=name, outstanding=_AT_ONCE, seconds=plan.sizes.window_seconds * 2)
            )
            work = f"publish from one process{', history' if name == 'topic' else ''}"
            figures += [
                plan.figure(
                    work,
                    "publications",
                    done.per_second,
                    "/s",
                    note=f"{_AT_ONCE} tasks",
                    column=contestant.name,
                ),
                plan.figure(work, "user CPU each", done.each().user, "µs", column=contestant.name),
            ]
    return figures


async def _lose(plan: Plan, contestant: Contestant, redis: RedisServer) -> list[Figure]:
    """Count what a client never gets when the server's pub/sub connection is cut now and then."""
    count, every = plan.sizes.cut_samples, plan.sizes.cut_samples // _CUTS
    async with _stage(plan, contestant, redis) as (server, source), crowd(endpoint_of(server)) as clients:
        listener = await clients.add_listener(contestant.opening)
        plan.progress(f"{contestant.name}, pub/sub is cut")
        began = time.monotonic()
        for number in range(count):
            await asyncio.sleep(began + number / _PACE_PER_SECOND - time.monotonic())
            if number % every == every // 2:
                redis.cut_pubsub()
            await source.publish()
        # What is lost never comes: then the time runs out, and the count says how much it was.
        with contextlib.suppress(LoadError):
            await clients.tally.reach(count, within_seconds=_LATE_SECONDS)
        clients.check_alive()
    arrived = len(listener.arrivals)
    if arrived > count:
        raise LoadError(f"{arrived} publications came, expected {count}")
    return [
        plan.figure(
            f"pub/sub connection cut {_CUTS} times",
            f"of {count:,} publications, lost",
            count - arrived,
            "",
            note=f"{_PACE_PER_SECOND} per second to 1 client; core has no such connection",
            column=contestant.name,
        )
    ]


@asynccontextmanager
async def _stage(
    plan: Plan, contestant: Contestant, redis: RedisServer
) -> AsyncIterator[tuple[Server, Source]]:
    async with contestant.serve(plan, redis.url) as server, aclosing(contestant.source(redis.url)) as source:
        yield server, source
