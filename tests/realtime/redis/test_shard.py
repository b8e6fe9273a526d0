"""One server as a layer uses it: both connections, and that they never speak to two servers for long."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from realtime.redis.script import Script
from realtime.redis.shard import Shard
from tests.redis_server import RedisServer
from tests.waiting import until

OpenShard = Callable[..., Shard]
MakeRedis = Callable[..., RedisServer]


class Switch:
    """An address whose new connections go to `target`; those that stand stay where they are."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await until(lambda: not self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, to_writer}
        await asyncio.gather(self._copy(reader, to_writer), self._copy(to_reader, writer))
        self._writers -= {writer, to_writer}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def servers(make_redis: MakeRedis) -> list[RedisServer]:
    return [make_redis(), make_redis()]


@pytest.fixture
async def switch(servers: list[RedisServer]) -> AsyncIterator[Switch]:
    switch = Switch(servers[0].port)
    await switch.start()
    yield switch
    await switch.stop()


async def test_it_is_up_when_both_connections_stand(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    assert (shard.is_up, shard.run_id) == (False, "")

    shard.start()
    await until(lambda: shard.is_up)

    assert shard.run_id == server.client().info("server")["run_id"]
    assert len(server.client().client_list()) == 3
    await shard.close()
    assert (shard.is_up, shard.run_id) == (False, "")
    await until(lambda: len(server.client().client_list()) == 1)


@pytest.mark.parametrize("cut", ["cut_commands", "cut_pubsub"])
async def test_when_one_connection_finds_another_server_the_other_follows(
    open_shard: OpenShard, servers: list[RedisServer], switch: Switch, cut: str
) -> None:
    shard = open_shard(switch.url)
    shard.start()
    heard: list[bytes] = []
    restored: list[list[str]] = []
    shard.on_restored(lambda channels: restored.append(list(channels)))
    await shard.subscribe("channel", heard.append)
    await until(lambda: shard.is_up)

    # As when a primary is replaced that this process can reach still.
    switch.target = servers[1].port
    getattr(servers[0], cut)()

    await until(lambda: bool(restored))
    await until(lambda: shard.is_up and shard.run_id == servers[1].client().info("server")["run_id"])
    await shard.publish("channel", b"1")
    await until(lambda: heard == [b"1"])
    assert restored == [["channel"]]
    assert servers[0].client().pubsub_channels() == []


async def test_calls_scripts_and_publications_keep_their_order(
    open_shard: OpenShard, redis_url: str, redis_prefix: str
) -> None:
    shard, key = open_shard(redis_url), f"{redis_prefix}:list"
    append = Script.of(b"return redis.call('RPUSH', KEYS[1], ARGV[1])")
    heard: list[bytes] = []
    await shard.subscribe(f"{redis_prefix}:channel", heard.append)

    await asyncio.gather(
        shard.call("RPUSH", key, 1),
        shard.publish(f"{redis_prefix}:channel", b"a"),
        shard.run(append, [key], [2]),
        shard.call("RPUSH", key, 3),
        shard.publish(f"{redis_prefix}:channel", b"b"),
        shard.run(append, [key], [4]),
    )

    assert await shard.call("LRANGE", key, 0, -1) == [b"1", b"2", b"3", b"4"]
    await until(lambda: heard == [b"a", b"b"])
    await shard.call("DEL", key)


async def test_a_callback_that_fails_is_logged_and_the_connection_comes_back(
    open_shard: OpenShard, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shard, calls = open_shard(redis_url), []

    def fail_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")

    shard.on_reconnect(fail_once)

    assert await shard.call("PING") == b"PONG"
    assert len(calls) == 2
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "the connection to Redis crashed"
    ]
