"""A connection's life, through a shard's link for commands: it mends itself, and never mixes up answers."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import DataError, NoPermissionError, ResponseError

from realtime.errors import LayerUnavailable
from realtime.redis import link
from realtime.redis.shard import Shard
from tests.realtime.redis_layers import AWAY_SECONDS
from tests.redis_server import RedisServer
from tests.waiting import until

OpenShard = Callable[..., Shard]
MakeRedis = Callable[..., RedisServer]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


async def end_of(task: "asyncio.Task[object]") -> BaseException | None:
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()


async def block(shard: Shard, server: RedisServer) -> "asyncio.Task[object]":
    """A request that the server has, and does not answer."""
    task = asyncio.create_task(shard.call("BLPOP", "nothing", 0))
    await until(lambda: server.client().info("clients")["blocked_clients"] == 1)
    return task


# ── Requests and answers ──────────────────────────────────────────────────────────────────────


async def test_thousands_of_requests_of_many_tasks_are_answered_each_with_its_own(
    open_shard: OpenShard, redis_url: str
) -> None:
    shard = open_shard(redis_url)

    async def ask(task: int) -> Any:
        return await asyncio.gather(*(shard.call("ECHO", f"{task}:{number}") for number in range(100)))

    answers = await asyncio.gather(*(ask(task) for task in range(50)))

    assert answers == [[b"%d:%d" % (task, number) for number in range(100)] for task in range(50)]


async def test_requests_go_out_in_the_order_in_which_they_were_made(
    open_shard: OpenShard, redis_url: str, redis_prefix: str
) -> None:
    shard, key = open_shard(redis_url), f"{redis_prefix}:list"

    lengths = await asyncio.gather(*(shard.call("RPUSH", key, number) for number in range(2000)))

    assert lengths == list(range(1, 2001))
    assert await shard.call("LRANGE", key, 0, -1) == [b"%d" % number for number in range(2000)]
    await shard.call("DEL", key)


async def test_cancelled_callers_do_not_shift_the_answers_of_others(
    open_shard: OpenShard, redis_url: str
) -> None:
    shard = open_shard(redis_url)
    await shard.call("PING")
    tasks = [asyncio.create_task(shard.call("ECHO", f"{number}")) for number in range(300)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    # Some before they were written, some after.
    await asyncio.sleep(0)
    for task in tasks[1::3]:
        task.cancel()

    await asyncio.wait(tasks)

    assert [task.result() for task in tasks[2::3]] == [b"%d" % number for number in range(2, 300, 3)]
    assert await shard.call("ECHO", "after") == b"after"


async def test_an_error_is_raised_to_the_one_who_asked(open_shard: OpenShard, redis_url: str) -> None:
    shard = open_shard(redis_url)

    answers: Any = await asyncio.gather(
        shard.call("ECHO", "1"), shard.call("NOSUCHCOMMAND"), shard.call("ECHO", "2"), return_exceptions=True
    )

    assert (answers[0], answers[2]) == (b"1", b"2")
    assert isinstance(answers[1], ResponseError)


@pytest.mark.parametrize("argument", ["\ud800", None, object()], ids=["half a character", "None", "object"])
async def test_what_cannot_be_written_fails_for_its_caller_alone(
    open_shard: OpenShard, redis_url: str, argument: object, caplog: pytest.LogCaptureFixture
) -> None:
    shard = open_shard(redis_url)
    await shard.call("PING")

    answers = await asyncio.gather(
        shard.call("ECHO", "1"),
        shard.call("ECHO", argument),  # type: ignore[arg-type]  # That is the test.
        shard.call("ECHO", "2"),
        return_exceptions=True,
    )

    assert (answers[0], answers[2]) == (b"1", b"2")
    assert isinstance(answers[1], (UnicodeError, TypeError, DataError))
    assert warnings_in(caplog) == []


async def test_what_an_address_says_of_protocol_and_time_does_not_reach_the_link(
    open_shard: OpenShard, redis_url: str, redis_prefix: str
) -> None:
    shard = open_shard(
        f"{redis_url}?protocol=3&decode_responses=True&socket_timeout=0.2&health_check_interval=1"
    )
    messages: list[bytes] = []

    await shard.subscribe(f"{redis_prefix}:channel", messages.append)
    await shard.publish(f"{redis_prefix}:channel", b"1")

    await until(lambda: messages == [b"1"])
    assert await shard.call("ECHO", "1") == b"1"


# ── Outages ───────────────────────────────────────────────────────────────────────────────────


async def test_a_lost_connection_comes_back_by_itself_and_is_told_of_once(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="realtime.redis.link")
    server = make_redis()
    shard, came_up = open_shard(server.url), []
    shard.on_reconnect(lambda: came_up.append(shard.run_id))
    await shard.call("PING")
    first_run_id = shard.run_id

    server.kill()
    await until(lambda: shard.run_id == "")
    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.call("PING")
    # From then on it is known to be away, and nobody waits any more.
    began = time.monotonic()
    with pytest.raises(LayerUnavailable, match="Redis is away"):
        await shard.call("PING")
    assert time.monotonic() - began < 1
    server.start()
    await until(lambda: shard.run_id != "")

    assert await shard.call("PING") == b"PONG"
    assert came_up == [first_run_id, shard.run_id]
    assert first_run_id != shard.run_id
    told = [record.message for record in caplog.records if record.__dict__.get("link") == "shard 0 commands"]
    assert len(told) == 2
    assert told[0].startswith("Redis is away: ")
    assert told[1] == "Redis is back"


async def test_what_was_sent_fails_when_the_connection_is_cut_and_what_comes_next_waits(
    server: RedisServer, shard: Shard
) -> None:
    blocked = await block(shard, server)

    assert server.cut_commands() == 1

    assert isinstance(await end_of(blocked), LayerUnavailable)
    assert await shard.call("PING") == b"PONG"


async def test_a_connection_that_is_reset_in_the_midst_of_requests_is_an_outage_and_no_crash(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    # Whether reading or writing tells of it first is chance.
    for _ in range(8):
        await shard.call("PING")
        # What the server has not read when it dies makes the kernel reset the connection.
        server.pause()
        calls = [asyncio.create_task(shard.call("PING"))]
        for _ in range(10):
            await asyncio.sleep(0)
        server.kill()
        async with asyncio.timeout(AWAY_SECONDS):
            while not calls[0].done():
                # A request in every turn of the loop: one meets the socket just after its end.
                calls.append(asyncio.create_task(shard.call("PING")))
                await asyncio.sleep(0)
        server.start()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {LayerUnavailable, bytes}

    assert await shard.call("ECHO", "after") == b"after"
    assert {message.partition(":")[0] for message in warnings_in(caplog)} == {"Redis is away"}


async def test_a_server_that_says_nothing_any_more_is_given_up_in_time(
    server: RedisServer, shard: Shard, caplog: pytest.LogCaptureFixture
) -> None:
    server.pause()

    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.call("PING")
    assert shard.run_id == ""
    server.resume()
    await until(lambda: shard.run_id != "")
    assert await shard.call("PING") == b"PONG"
    assert "no answer in 3.0 s" in caplog.text


async def test_a_silent_connection_is_asked_whether_it_lives(
    open_shard: OpenShard, make_redis: MakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(link, "ANSWER_TIMEOUT_SECONDS", 0.5)
    server = make_redis()
    shard = open_shard(server.url)
    await shard.subscribe("channel", lambda message: None)
    await shard.call("PING")

    server.pause()

    # Nobody asks for anything.
    await until(lambda: not shard.is_up)
    server.resume()
    await until(lambda: shard.is_up)


async def test_a_process_that_was_stopped_keeps_its_connections(
    open_shard: OpenShard, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shard, came_up = open_shard(redis_url), []
    shard.on_reconnect(lambda: came_up.append(1))
    await shard.call("PING")
    sent = [asyncio.create_task(shard.call("ECHO", f"{number}")) for number in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    time.sleep(link.ANSWER_TIMEOUT_SECONDS + 1)  # noqa: ASYNC251  # That the loop stands still is the test.

    assert await asyncio.gather(*sent) == [b"%d" % number for number in range(100)]
    assert (came_up, caplog.messages) == ([1], [])


async def test_what_a_process_had_just_asked_for_when_it_was_stopped_is_asked_afterwards(
    open_shard: OpenShard, redis_url: str
) -> None:
    shard = open_shard(redis_url)
    await shard.call("PING")
    task = asyncio.create_task(shard.call("ECHO", "1"))
    # It is noted down, and not written yet.
    await asyncio.sleep(0)

    time.sleep(link.ANSWER_TIMEOUT_SECONDS + 1)  # noqa: ASYNC251  # That the loop stands still is the test.

    assert await task == b"1"


async def test_a_server_that_still_loads_its_data_is_away_and_told_of_once(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="realtime.redis.link")
    server = make_redis(
        options=("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    )
    shard, came_up = open_shard(server.url), []
    await shard.call("PING")
    pipeline = server.client().pipeline()
    for number in range(1500):
        pipeline.set(f"key:{number}", "1")
    pipeline.execute()
    server.client().save()
    shard.on_reconnect(lambda: came_up.append(server.client().info("persistence")["loading"]))

    server.restart(keep_data=True)
    assert server.client().info("persistence")["loading"] == 1
    async with asyncio.timeout(20):
        while True:
            try:
                value = await shard.call("GET", "key:1499")
                break
            except LayerUnavailable:
                await asyncio.sleep(0.01)

    assert value == b"1"
    assert came_up == [0]
    told = [record.message for record in caplog.records if record.__dict__["link"] == "shard 0 commands"]
    assert len(told) == 2


async def test_a_replica_is_refused_until_it_is_the_primary(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    primary, replica = make_redis(), make_redis()
    shard = open_shard(replica.url)
    await shard.call("SET", "a", "1")

    replica.client().replicaof("127.0.0.1", primary.port)
    with pytest.raises(LayerUnavailable):
        await shard.call("SET", "a", "2")
    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.call("SET", "a", "3")
    told = [record.message for record in caplog.records if record.__dict__["link"] == "shard 0 commands"]
    assert len(told) == 1
    replica.client().replicaof("NO", "ONE")

    await until(lambda: shard.run_id != "")
    assert await shard.call("SET", "a", "4") == b"OK"


@pytest.mark.parametrize(
    "address", ["redis://:hunter2@127.0.0.1:{port}/0", "redis://root:hunter2@127.0.0.1:{port}/0"]
)
async def test_a_wrong_password_is_told_once_and_never_shown(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    server = make_redis(password="right")
    shard = open_shard(address.format(port=server.port))

    with pytest.raises(LayerUnavailable) as raised:
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.call("PING")

    assert len(warnings_in(caplog)) == 1
    assert "Redis is away: " in caplog.text
    assert "hunter2" not in caplog.text + str(raised.value)


async def test_an_address_where_nobody_is_is_told_once(
    open_shard: OpenShard, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        # Bound and not listening: refused, and nobody else gets it.
        taken.bind(("127.0.0.1", 0))
        shard = open_shard(f"redis://root:hunter2@127.0.0.1:{taken.getsockname()[1]}/0")

        with pytest.raises(LayerUnavailable) as raised:
            async with asyncio.timeout(AWAY_SECONDS):
                await shard.call("PING")

    assert len(warnings_in(caplog)) == 1
    assert "hunter2" not in caplog.text + str(raised.value)


async def test_a_user_who_may_not_ask_for_the_run_id_is_refused_with_the_remedy(
    open_shard: OpenShard, make_redis: MakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    server.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-info")
    shard = open_shard(server.url, username="app", password="pass")

    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.call("PING")

    [told] = warnings_in(caplog)
    assert "+info" in told
    server.client().execute_command("ACL", "SETUSER", "app", "+info")
    await until(lambda: shard.run_id != "")


async def test_a_crowd_that_waits_is_bounded(
    server: RedisServer, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_WAITING", 10)
    server.pause()

    waiting = [asyncio.create_task(shard.call("ECHO", f"{number}")) for number in range(11)]
    refused = await end_of(waiting.pop())

    assert isinstance(refused, LayerUnavailable)
    assert "10 requests are waiting" in str(refused)
    server.resume()
    assert await asyncio.gather(*waiting) == [b"%d" % number for number in range(10)]


async def test_closing_fails_what_waits_and_the_next_use_begins_anew(
    server: RedisServer, shard: Shard
) -> None:
    waiting = await block(shard, server)

    await shard.close()

    assert isinstance(await end_of(waiting), LayerUnavailable)
    await until(lambda: len(server.client().client_list()) == 1)
    assert await shard.call("PING") == b"PONG"


async def test_a_refused_command_is_redis_own_error(open_shard: OpenShard, make_redis: MakeRedis) -> None:
    server = make_redis()
    server.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-set")
    shard = open_shard(server.url, username="app", password="pass")

    with pytest.raises(NoPermissionError):
        await shard.call("SET", "a", "1")
    assert shard.run_id
