"""The measures over Redis: what several processes cost, and how fast they are.

Redis runs beside the load, off the servers' core. Publications come from this process through Redis
and not through the server that is measured, so that its CPU time is that of receiving and delivering
alone. Where publishing is what is measured, the publishing process has the servers' core.
"""

import asyncio
import statistics
import time
from contextlib import aclosing

from tests.benchmarks.commands import CONNECT, endpoint_of, opening, publish_request
from tests.benchmarks.load import Crowd, LoadError, crowd
from tests.benchmarks.measures import Loop, fan_out_beside_floor
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import running_redis
from tests.benchmarks.report import Bar, Figure
from tests.benchmarks.source_process import Done, Job, source_process
from tests.benchmarks.sources import TopicSource
from tests.benchmarks.windows import DEADLINE_SECONDS, Flow, Window, total

# Light load: each publication is long delivered when the next one comes.
_PACE_PER_SECOND = 200
_TOPICS = 100
_OUTSTANDING = 64


async def fan_out(plan: Plan) -> list[Figure]:
    """Publications through Redis to all subscribers of one topic with history, on one worker."""
    with running_redis() as redis:
        async with (
            plan.running(redis_url=redis.url) as server,
            aclosing(TopicSource(redis.url, "log:bench")) as source,
        ):

            def loop(audience: Crowd, window: int) -> Loop:
                return Flow(
                    servers=[server],
                    clients=audience,
                    publish=source.publish,
                    outstanding=window,
                    copies=plan.sizes.subscribers,
                )

            return await fan_out_beside_floor(plan, server, loop)


async def receive(plan: Plan) -> list[Figure]:
    """What a publication costs the worker that receives it: topics with one subscriber each."""
    topics = [f"log:room-{number}" for number in range(_TOPICS)]
    figures = []
    with running_redis() as redis:
        async with (
            plan.running(redis_url=redis.url) as server,
            aclosing(TopicSource(redis.url, *topics)) as source,
            crowd(endpoint_of(server)) as audience,
        ):
            await audience.add_subscribers(map(opening, topics), within_seconds=DEADLINE_SECONDS)
            for outstanding in (1, _OUTSTANDING):
                plan.progress(f"receive: {outstanding} outstanding")
                flow = Flow(
                    servers=[server],
                    clients=audience,
                    publish=source.publish,
                    outstanding=outstanding,
                    copies=1,
                )
                window = await flow.run(plan.sizes.window_seconds * 2)
                cost, name = window.per_answer(), f"{outstanding} outstanding"
                figures += [
                    plan.figure(
                        "receive a publication",
                        f"{name}: user CPU each",
                        cost.user,
                        "µs",
                        note="from Redis to the one subscriber of its topic",
                    ),
                    plan.figure("receive a publication", f"{name}: system CPU each", cost.system, "µs"),
                    plan.figure(
                        "receive a publication",
                        f"{name}: publications",
                        window.answers / window.seconds,
                        "/s",
                        note=window.busy(),
                    ),
                ]
    return figures


async def publish(plan: Plan) -> list[Figure]:
    """Publications with history of one process that serves nobody."""
    seconds = plan.sizes.window_seconds
    jobs = {
        "async, 1 outstanding": (Job(source="topic", outstanding=1, seconds=seconds), None),
        f"async, {_OUTSTANDING} outstanding": (
            Job(source="topic", outstanding=_OUTSTANDING, seconds=seconds),
            Bar(8_000, "at least"),
        ),
        "blocking, 1 thread": (
            Job(source="topic, blocking", outstanding=1, seconds=seconds),
            Bar(2_000, "at least"),
        ),
    }
    done: dict[str, Done] = {}
    with running_redis() as redis:
        async with source_process(redis.url, cores=plan.cores) as source:
            for turn in range(plan.sizes.rounds):
                for name, (job, _) in jobs.items():
                    plan.progress(f"publish over Redis: round {turn + 1}, {name}")
                    seen = await source.run(job)
                    done[name] = done[name] + seen if name in done else seen
    figures = []
    measure = "publish from another process, history"
    for name, (_, bar) in jobs.items():
        all_of_it = done[name]
        cost = all_of_it.each()
        figures += [
            plan.figure(
                measure,
                f"{name}: publications",
                all_of_it.per_second,
                "/s",
                bar=bar,
                note=all_of_it.busy(),
            ),
            plan.figure(measure, f"{name}: user CPU each", cost.user, "µs"),
            plan.figure(measure, f"{name}: system CPU each", cost.system, "µs"),
        ]
    return figures


async def latency(plan: Plan) -> list[Figure]:
    """From a client's publish on one worker to its receipt by a client of another, at light load.

    Both clients are in this process, so one clock tells both times; both workers share their core.
    """
    count, request = plan.sizes.latency_samples, publish_request("log:bench")
    sent: list[float] = []
    with running_redis() as redis:
        async with (
            plan.running(redis_url=redis.url) as here,
            plan.running(redis_url=redis.url) as there,
            crowd(endpoint_of(here)) as clients,
        ):
            listener = await clients.add_listener(opening("log:bench"), endpoint=endpoint_of(there))
            commander = await clients.add_commander([CONNECT])
            for _ in range(_PACE_PER_SECOND):
                await commander.ask(request, within_seconds=DEADLINE_SECONDS)
            await clients.tally.reach(_PACE_PER_SECOND, within_seconds=DEADLINE_SECONDS)
            listener.arrivals.clear()
            plan.progress(f"latency: {count:,} publications, {_PACE_PER_SECOND} per second")
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(began + number / _PACE_PER_SECOND - time.monotonic())
                sent.append(time.monotonic())
                commander.post(request)
            await commander.stop(within_seconds=DEADLINE_SECONDS)
            await clients.tally.reach(_PACE_PER_SECOND + count, within_seconds=DEADLINE_SECONDS)
            clients.check_alive()
    if len(listener.arrivals) != count:
        raise LoadError(f"{len(listener.arrivals)} publications came, expected {count}")
    # One topic, so they came in the order in which they were sent.
    waits = [1000 * (came - went) for went, came in zip(sent, listener.arrivals, strict=True)]
    cuts = statistics.quantiles(waits, n=1000, method="inclusive")
    measure = "publish → receipt on another worker"
    return [
        plan.figure(
            measure,
            name,
            cuts[number],
            "ms",
            note=f"{count:,} publications, {_PACE_PER_SECOND} per second" if name == "p50" else "",
        )
        for name, number in (("p50", 499), ("p99", 989), ("p99.9", 998))
    ] + [plan.figure(measure, "longest", max(waits), "ms")]


async def workers(plan: Plan) -> list[Figure]:
    """The same subscribers and publications on one worker and on two, in turn.

    The two have a port each, since those that share one do not share its connections evenly.
    """
    count, half = plan.sizes.subscribers, plan.sizes.subscribers // 2
    windows: dict[str, list[Window]] = {}
    with running_redis() as redis:
        async with (
            plan.running(redis_url=redis.url) as alone,
            plan.running(redis_url=redis.url) as first,
            plan.running(redis_url=redis.url) as second,
            aclosing(TopicSource(redis.url, "log:one")) as to_one,
            aclosing(TopicSource(redis.url, "log:two")) as to_two,
            crowd(endpoint_of(alone)) as audience_of_one,
            crowd(endpoint_of(first)) as audience_of_two,
        ):
            plan.progress(f"workers: opening {count:,} connections to one, and to two")
            await audience_of_one.add_subscribers(
                [opening("log:one")] * half * 2, within_seconds=DEADLINE_SECONDS
            )
            for server in (first, second):
                await audience_of_two.add_subscribers(
                    [opening("log:two")] * half,
                    within_seconds=DEADLINE_SECONDS,
                    endpoint=endpoint_of(server),
                )
            flows = {
                "1 worker": Flow(
                    servers=[alone],
                    clients=audience_of_one,
                    publish=to_one.publish,
                    outstanding=1,
                    copies=half * 2,
                ),
                "2 workers": Flow(
                    servers=[first, second],
                    clients=audience_of_two,
                    publish=to_two.publish,
                    outstanding=1,
                    copies=half * 2,
                ),
            }
            for turn in range(plan.sizes.rounds):
                for name, flow in flows.items():
                    plan.progress(f"workers: round {turn + 1} of {plan.sizes.rounds}, {name}")
                    windows.setdefault(name, []).append(await flow.run(plan.sizes.window_seconds))
    measure = f"fan-out to {half * 2:,} on 1 and on 2 workers"
    figures = [
        plan.figure(
            measure, f"{name}: deliveries per second of CPU", 1e6 / total(seen).per_delivery().total, "/s"
        )
        for name, seen in windows.items()
    ]
    ratio = statistics.median(
        one.per_delivery().total / two.per_delivery().total
        for one, two in zip(windows["1 worker"], windows["2 workers"], strict=True)
    )
    figures.append(
        plan.figure(
            measure,
            "2 workers ÷ 1 worker",
            ratio,
            "×",
            bar=Bar(0.9, "at least"),
            note=f"user + system of both; median of {plan.sizes.rounds} rounds",
        )
    )
    return figures
