"""The link for commands: scripts, which every server takes whatever it has forgotten."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from realtime.errors import LayerUnavailable
from realtime.redis.script import Script
from realtime.redis.shard import Shard
from tests.realtime.redis_layers import AWAY_SECONDS
from tests.redis_server import RedisServer
from tests.waiting import until

OpenShard = Callable[..., Shard]
MakeRedis = Callable[..., RedisServer]

APPEND = Script.of(b"return {redis.call('RPUSH', KEYS[1], ARGV[1]), ARGV[#ARGV - 1], ARGV[#ARGV]}")
OTHER = Script.of(b"return ARGV[1]")


async def test_a_script_gets_its_keys_its_arguments_and_the_server_it_runs_in(
    open_shard: OpenShard, redis_url: str, redis_prefix: str
) -> None:
    shard, key = open_shard(redis_url), f"{redis_prefix}:list"

    answers = [await shard.run(APPEND, [key], [each]) for each in ("a", b"\xff\x00", 1)]

    assert answers == [[number, shard.run_id.encode(), b"0"] for number in (1, 2, 3)]
    assert await shard.call("LRANGE", key, 0, -1) == [b"a", b"\xff\x00", b"1"]
    await shard.call("DEL", key)


async def test_a_server_is_given_a_script_once(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)

    await asyncio.gather(*(shard.run(OTHER, [], [number]) for number in range(100)))

    calls = server.client().info("commandstats")
    assert (calls["cmdstat_eval"]["calls"], calls["cmdstat_evalsha"]["calls"]) == (1, 99)


async def test_scripts_may_be_flushed_between_calls(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)

    for number in range(1, 6):
        server.client().script_flush()
        answers = await asyncio.gather(shard.run(APPEND, ["list"], ["a"]), shard.run(OTHER, [], ["b"]))
        assert (answers[0][0], answers[1]) == (number, b"b")


async def test_scripts_may_be_flushed_among_thousands_of_calls(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard, flusher = open_shard(server.url), open_shard(server.url)
    calls = [asyncio.create_task(shard.run(APPEND, ["list"], [number])) for number in range(3000)]
    async with asyncio.timeout(20):
        while not all(call.done() for call in calls):
            await flusher.call("SCRIPT", "FLUSH")

    lengths = [(await call)[0] for call in calls]

    assert sorted(lengths) == list(range(1, 3001))
    assert sorted(int(each) for each in server.client().lrange("list", 0, -1)) == list(range(3000))


async def test_scripts_keep_their_order_on_a_server_that_does_not_know_them(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    await shard.run(APPEND, ["warm"], ["up"])
    server.kill()
    await until(lambda: shard.run_id == "")
    numbers, calls = itertools.count(), []

    def call() -> None:
        calls.append(asyncio.create_task(shard.run(APPEND, ["list"], [next(numbers)])))

    for _ in range(100):
        call()
    server.start()
    # More come while those are sent and answered.
    async with asyncio.timeout(10):
        while not calls[99].done():
            call()
            await asyncio.sleep(0)
    await asyncio.wait(calls)

    assert [call.result()[0] for call in calls] == list(range(1, len(calls) + 1))


async def test_a_script_that_waited_for_redis_is_told_of_the_server_that_runs_it(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    first = (await shard.run(APPEND, ["list"], ["a"]))[1]
    server.kill()
    await until(lambda: shard.run_id == "")
    waiting = asyncio.create_task(shard.run(APPEND, ["list"], ["b"]))

    server.start()

    second = (await waiting)[1]
    assert second == server.client().info("server")["run_id"].encode() != first


async def test_a_server_that_became_a_replica_is_away_for_scripts(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    primary, replica = make_redis(), make_redis()
    shard = open_shard(replica.url)
    await shard.run(APPEND, ["list"], ["a"])

    replica.client().replicaof("127.0.0.1", primary.port)
    # The connection from before, and a new one.
    for _ in range(2):
        with pytest.raises(LayerUnavailable):
            async with asyncio.timeout(AWAY_SECONDS):
                await shard.run(APPEND, ["list"], ["b"])
    replica.client().replicaof("NO", "ONE")

    await until(lambda: shard.run_id != "")
    await shard.run(APPEND, ["list"], ["c"])


async def test_a_script_raises_layer_unavailable_while_redis_is_away(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    await shard.run(OTHER, [], ["a"])
    server.kill()

    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.run(OTHER, [], ["a"])
