"""The hub over real Redis servers whose connections break: what was published is heard once, in order."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Publication
from tests.realtime.hub_stage import FakeListener
from tests.redis_server import RedisServer
from tests.waiting import until

KEPT = HistoryPolicy(size=10_000, ttl_seconds=60)
TOPICS = [f"chat:{number}" for number in range(20)]


class Process:
    """A hub on a layer of its own, with a listener in every topic."""

    def __init__(self, url: str) -> None:
        self.layer = RedisTopicLayer(hosts=[url])
        self._tasks: set[asyncio.Task[None]] = set()
        self.hub = Hub(
            layer=self.layer,
            schedule=asyncio.get_running_loop().call_soon,
            spawn=self.spawn,
            sleep=asyncio.sleep,
            clock=time.monotonic,
            rng=random.Random(0),  # noqa: S311  # It spreads timers.
        )
        self.listeners = {topic: FakeListener() for topic in TOPICS}

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def listen(self) -> None:
        for topic, listener in self.listeners.items():
            await self.hub.listen(topic, listener, history=KEPT)

    async def publish(self) -> None:
        """Once in every topic."""
        publication = Publication(data=Raw(b"1"))
        await asyncio.gather(*[self.layer.publish(topic, publication, history=KEPT) for topic in TOPICS])

    def have_all_heard(self, what: list[int | str]) -> bool:
        return all(listener.heard == what for listener in self.listeners.values())

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.layer.close()


@pytest.fixture
async def start_process() -> AsyncIterator[Callable[[str], Process]]:
    processes: list[Process] = []

    def start(url: str) -> Process:
        processes.append(Process(url))
        return processes[-1]

    yield start
    for process in processes:
        await process.stop()


async def test_what_is_published_while_pubsub_breaks_again_and_again_is_heard_once(
    make_redis: Callable[..., RedisServer], start_process: Callable[[str], Process]
) -> None:
    server = make_redis()
    here, elsewhere = start_process(server.url), start_process(server.url)
    await here.listen()

    for number in range(100):
        if number % 20 == 10:
            await asyncio.to_thread(server.cut_pubsub)
        await elsewhere.publish()

    await until(lambda: here.have_all_heard(list(range(1, 101))))


async def test_a_loss_that_nothing_reveals_is_found_by_the_watch(
    make_redis: Callable[..., RedisServer], start_process: Callable[[str], Process]
) -> None:
    server = make_redis()
    here = start_process(server.url)
    await here.listen()
    here.spawn(here.hub.watch_positions(interval_seconds=0.5))

    # As if the server had dropped it on the way: it is in the log, and was not sent.
    for topic in TOPICS:
        await here.layer.shard_of(topic).call("RPUSH", here.layer.key(topic, "log"), _body(here))
        await here.layer.shard_of(topic).call("HINCRBY", here.layer.key(topic, "meta"), "o", 1)

    await until(lambda: here.have_all_heard([1]))


async def test_a_server_that_lost_everything_is_told_and_heard_on(
    make_redis: Callable[..., RedisServer], start_process: Callable[[str], Process]
) -> None:
    server = make_redis()
    here = start_process(server.url)
    await here.listen()
    await here.publish()
    await until(lambda: here.have_all_heard([1]))

    await asyncio.to_thread(server.restart, keep_data=False)
    await until(lambda: here.have_all_heard([1, "lost"]))
    await here.publish()

    await until(lambda: here.have_all_heard([1, "lost", 1]))


def _body(process: Process) -> bytes:
    return process.layer._log._envelope.encode_publication(Publication(data=Raw(b"1")))
