"""One Redis server for code without an event loop: threads, forks, restarts, and connections that end."""

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ResponseError

from realtime.errors import LayerUnavailable
from realtime.redis import blocking_shard
from realtime.redis.blocking_shard import BlockingShard
from realtime.redis.script import Script
from tests.realtime.redis_layers import AWAY_SECONDS
from tests.redis_server import RedisServer
from tests.waiting import wait_until

MakeRedis = Callable[..., RedisServer]
OpenShard = Callable[..., BlockingShard]

APPEND = Script.of(b"return {redis.call('RPUSH', KEYS[1], ARGV[1]), ARGV[#ARGV - 1], ARGV[#ARGV]}")


@pytest.fixture
def open_shard() -> Iterator[OpenShard]:
    shards: list[BlockingShard] = []

    def open_one(address: str, **options: Any) -> BlockingShard:
        shards.append(BlockingShard({"address": address, **options}))
        return shards[-1]

    yield open_one
    for shard in shards:
        shard.close()


def connections_of(server: RedisServer) -> int:
    """Without that of the test."""
    return len(server.client().client_list()) - 1


def test_commands_and_scripts_are_answered(
    open_shard: OpenShard, redis_server: RedisServer, redis_prefix: str
) -> None:
    shard, key = open_shard(redis_server.url), f"{redis_prefix}:list"

    assert shard.call("ECHO", b"\xff") == b"\xff"
    run_id = redis_server.client().info("server")["run_id"].encode()
    assert shard.run(APPEND, [key], ["a"]) == [1, run_id, b"0"]
    redis_server.client().script_flush()
    assert shard.run(APPEND, [key], ["b"]) == [2, run_id, b"0"]
    with pytest.raises(ResponseError):
        shard.call("NOSUCHCOMMAND")
    assert shard.call("LRANGE", key, 0, -1) == [b"a", b"b"]
    shard.call("DEL", key)


def test_threads_share_a_bounded_number_of_connections(
    open_shard: OpenShard, make_redis: MakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_shard, "MAX_CONNECTIONS", 5)
    server = make_redis()
    shard = open_shard(server.url)
    lengths: list[int] = []
    most: list[int] = []

    def work() -> None:
        lengths.extend(shard.run(APPEND, ["list"], [number])[0] for number in range(100))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most.append(connections_of(server))
    for thread in threads:
        thread.join()

    assert sorted(lengths) == list(range(1, 2001))
    assert max(most) <= 5


def test_a_restart_between_calls_goes_unnoticed(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis(is_durable=True)
    shard = open_shard(server.url)
    first = shard.run(APPEND, ["list"], ["a"])

    server.restart(keep_data=True)

    second = shard.run(APPEND, ["list"], ["b"])
    assert (first[0], second[0]) == (1, 2)
    assert first[1] != second[1] == server.client().info("server")["run_id"].encode()


def test_a_cut_connection_between_calls_goes_unnoticed(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    shard.call("PING")

    assert server.cut_commands() == 1

    assert shard.call("PING") == b"PONG"


def test_a_dead_server_is_told_at_once_and_used_again_when_it_is_back(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    shard.call("PING")
    server.kill()

    for _ in range(3):
        with pytest.raises(LayerUnavailable, match="Redis is away"):
            shard.call("PING")

    server.start()
    assert shard.call("PING") == b"PONG"


def test_a_silent_server_is_told_in_time(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    shard.call("PING")
    server.pause()

    # With a connection that stands, and with none.
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(LayerUnavailable):
            shard.call("ECHO", "late")
        assert time.monotonic() - began < AWAY_SECONDS

    server.resume()
    assert shard.call("ECHO", "1") == b"1"


def test_a_server_that_dies_during_a_call_is_told(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(shard.call, "BLPOP", "nothing", 0)
        wait_until(lambda: server.client().info("clients")["blocked_clients"] == 1)

        server.kill()

        with pytest.raises(LayerUnavailable):
            blocked.result(AWAY_SECONDS)


def test_closing_ends_the_connections_and_the_next_use_begins_anew(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: shard.call("BLPOP", "nothing", 0.2), range(5)))
    assert connections_of(server) == 5

    shard.close()

    wait_until(lambda: connections_of(server) == 0)
    assert shard.call("PING") == b"PONG"


def test_a_replica_and_a_wrong_password_are_refused(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    primary, replica = make_redis(password="right"), make_redis()
    shard = open_shard(replica.url)
    shard.call("SET", "a", "1")
    shard.run(APPEND, ["list"], ["a"])
    replica.client().replicaof("127.0.0.1", primary.port)

    # The connection from before, and a new one.
    for _ in range(2):
        with pytest.raises(LayerUnavailable, match="replica"):
            shard.run(APPEND, ["list"], ["b"])
    with pytest.raises(LayerUnavailable) as raised:
        open_shard(f"redis://:hunter2@127.0.0.1:{primary.port}").call("PING")

    assert "hunter2" not in str(raised.value)
    replica.client().replicaof("NO", "ONE")
    assert shard.call("SET", "a", "3") == b"OK"


def test_a_user_who_may_not_ask_for_the_run_id_is_refused_with_the_remedy(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    server.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-info")

    with pytest.raises(LayerUnavailable, match=r"\+info"):
        open_shard(server.url, username="app", password="pass").call("PING")


def test_what_an_address_says_of_protocol_and_time_does_not_reach_the_connections(
    open_shard: OpenShard, redis_url: str
) -> None:
    shard = open_shard(f"{redis_url}?protocol=3&decode_responses=True&socket_timeout=0.001&timeout=0.001")

    assert shard.call("ECHO", b"\xff") == b"\xff"


def test_a_socket_file_is_an_address(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis(unix_socket=True, password="secret")

    assert open_shard(server.url).call("ECHO", "1") == b"1"


def test_both_sides_of_a_fork_go_on_with_connections_of_their_own(redis_url: str, redis_prefix: str) -> None:
    program = """
        import os, sys
        from realtime.redis.blocking_shard import BlockingShard
        from realtime.redis.script import Script

        shard = BlockingShard({"address": sys.argv[1]})
        append = Script.of(b"return redis.call('RPUSH', KEYS[1], ARGV[1])")
        connection = shard.call("CLIENT", "ID")
        child = os.fork()
        for number in range(200):
            assert shard.call("ECHO", f"{child}:{number}") == f"{child}:{number}".encode()
            shard.run(append, [sys.argv[2]], [number])
        if child == 0:
            assert shard.call("CLIENT", "ID") != connection
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert shard.call("CLIENT", "ID") == connection
        assert shard.call("LLEN", sys.argv[2]) == 400
        shard.call("DEL", sys.argv[2])
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), redis_url, f"{redis_prefix}:list"],
        check=True, timeout=30,
    )  # fmt: skip
