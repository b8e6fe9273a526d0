"""Several workers that share their topics in a real Redis: one server, as far as clients can tell."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.sdk import Follower, end
from tests.raw_client import connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import until, wait_until

SETTINGS = "tests.end_to_end.settings_probe"
AWAY = (503, {"status": "not ready", "reason": "the topic layer is away"})


@pytest.fixture
def start_workers(
    start_server: Callable[..., Server], redis_url: str, redis_prefix: str
) -> Callable[..., Server]:
    """start_workers(**env): two workers over Redis, both of which listen."""

    def start(**env: str) -> Server:
        ours = {"WORKERS": "2", "REDIS_URL": redis_url, "REDIS_PREFIX": redis_prefix}
        server = start_server(settings=SETTINGS, env={**ours, **env})
        wait_until(lambda: "with 2 workers" in server.log.read_text())
        return server

    return start


async def test_a_publication_reaches_the_clients_of_every_worker(
    start_workers: Callable[..., Server],
) -> None:
    server = start_workers()
    async with AsyncExitStack() as stack:
        # More than any one worker keeps for itself.
        clients = [await stack.enter_async_context(connected_client(server.ws)) for _ in range(20)]
        for client in clients:
            await client.subscribe("plain:all")

        for number in range(10):
            await clients[number].call(publish={"channel": "plain:all", "data": {"n": number}})

        for client in clients:
            pushes = [await client.receive_push() for _ in range(10)]
            assert [push["pub"]["data"]["n"] for push in pushes] == list(range(10))


@pytest.mark.timeout(120)
async def test_a_rolling_restart_loses_nothing_while_messages_flow(
    start_workers: Callable[..., Server],
) -> None:
    server = start_workers(REALTIME_SHUTDOWN_DELAY="0.1", REALTIME_SHUTDOWN_SPREAD="0.5")
    followers = [Follower(server.ws, "long:roll", use_protobuf=bool(turn % 2)) for turn in range(20)]
    async with AsyncExitStack() as stack:
        for follower in followers:
            stack.push_async_callback(end, follower.client)
            await follower.start()
        await asyncio.gather(*(follower.is_subscribed.wait() for follower in followers))
        count = 0

        server.signal(signal.SIGHUP)
        while "rolling restart of 2 workers is done" not in server.log.read_text():
            status = await asyncio.to_thread(
                server.fetch_status, f"/probe/publish?topic=long:roll&first={count}"
            )
            assert status == 204
            count += 1

        await until(lambda: all(len(follower.received) >= count for follower in followers))
        assert all(follower.received == list(range(count)) for follower in followers)
        assert count > 100
        assert all(follower.recoveries for follower in followers)
        assert not any(follower.unrecovered for follower in followers)
    assert "Traceback" not in server.log.read_text()


def fetch_readiness(server: Server) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"{server.http}/health/ready", timeout=5) as answer:  # noqa: S310  # Loopback only.
            return answer.status, without_outbox(json.load(answer))
    except urllib.error.HTTPError as error:
        return error.code, without_outbox(json.load(error))


def without_outbox(body: dict[str, object]) -> dict[str, object]:
    """What waits there may be anything, and is no reason."""
    return {name: value for name, value in body.items() if name != "outbox"}


def test_a_server_without_its_redis_is_not_ready_and_says_why(
    start_server: Callable[..., Server], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    server = start_server(settings=SETTINGS, env={"REDIS_URL": redis.url})

    redis.kill()

    wait_until(lambda: fetch_readiness(server) == AWAY)
    assert server.fetch_status("/health/live") == 200
    redis.start()
    wait_until(lambda: fetch_readiness(server) == (200, {"status": "ready"}))
    assert "Service Unavailable" not in server.log.read_text()


def test_the_workers_start_without_their_redis_and_become_ready_with_it(
    make_server: Callable[..., Server], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    redis.kill()
    server = make_server(settings=SETTINGS, env={"WORKERS": "2", "REDIS_URL": redis.url})
    with ThreadPoolExecutor(1) as pool:
        # It waits until the server is ready.
        starting = pool.submit(server.start)
        wait_until(lambda: server.log.exists() and "with 2 workers" in server.log.read_text())
        assert fetch_readiness(server) == AWAY
        assert not starting.done()

        redis.start()

        starting.result()
