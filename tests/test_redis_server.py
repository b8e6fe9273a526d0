"""The servers that tests hurt: each fault does what its name says, and nothing is left behind."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import redis_server
from tests.redis_server import RedisServer, find_program

MakeRedis = Callable[..., RedisServer]


def test_a_server_answers_at_its_url(redis_url: str, redis_prefix: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{redis_prefix}:a", "1", ex=60)

        assert client.get(f"{redis_prefix}:a") == b"1"


def test_servers_are_apart_and_end_with_their_context() -> None:
    with RedisServer() as one, RedisServer() as other:
        one.client().set("a", "1")

        assert (one.keys(), other.keys()) == ({"a"}, set())
    assert not one.is_running
    assert not one.folder.exists()
    with pytest.raises(redis.exceptions.ConnectionError):
        other.client().ping()
    other.remove()


def test_a_restart_keeps_the_address_and_forgets_what_was_not_on_disk(make_redis: MakeRedis) -> None:
    server = make_redis()
    url, run_id = server.url, server.client().info("server")["run_id"]
    server.client().set("a", "1")

    server.restart(keep_data=True)

    assert server.url == url
    assert server.keys() == set()
    assert server.client().info("server")["run_id"] != run_id


def test_a_durable_server_keeps_every_write_through_a_kill(make_redis: MakeRedis) -> None:
    server = make_redis(is_durable=True)
    server.client().set("a", "1")

    server.restart(keep_data=True)
    assert server.keys() == {"a"}

    server.restart(keep_data=False)
    assert server.keys() == set()


def test_a_server_comes_back_with_the_older_data_that_was_saved(make_redis: MakeRedis) -> None:
    server = make_redis()
    server.client().set("old", "1")
    server.client().save()
    server.client().set("new", "1")

    server.restart(keep_data=True)

    assert server.keys() == {"old"}


def test_a_stopped_server_refuses_and_can_be_started_again(make_redis: MakeRedis) -> None:
    server = make_redis()

    server.stop()
    with pytest.raises(redis.exceptions.ConnectionError):
        server.client().ping()
    server.start()

    assert server.client().ping()


def test_a_paused_server_says_nothing_until_it_is_resumed(make_redis: MakeRedis) -> None:
    server = make_redis()
    with redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None) as impatient:
        assert impatient.ping()
        server.pause()
        with pytest.raises(redis.exceptions.TimeoutError):
            impatient.ping()

        server.resume()

        assert server.client().ping()


def test_a_paused_server_can_be_stopped(make_redis: MakeRedis) -> None:
    server = make_redis()
    server.pause()

    server.stop()

    assert not server.is_running


def test_only_the_connections_of_one_kind_are_cut(make_redis: MakeRedis) -> None:
    server = make_redis()
    with redis.Redis.from_url(server.url) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=5)

        assert server.cut_pubsub() == 1
        assert server.client().pubsub_numsub("news") == [(b"news", 0)]

        assert client.ping()
        assert server.cut_commands() == 1
        assert server.cut_pubsub() == 0


def test_a_password_is_asked_for(make_redis: MakeRedis) -> None:
    server = make_redis(password="p@ss/word")

    assert server.client().ping()
    with (
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()


def test_a_server_can_be_a_socket_file_only(make_redis: MakeRedis) -> None:
    server = make_redis(unix_socket=True, password="secret")

    assert server.url.startswith("unix://:secret@/")
    assert server.client().ping()
    server.restart(keep_data=False)
    assert server.client().ping()


def test_options_reach_the_server(make_redis: MakeRedis) -> None:
    server = make_redis(options=["--maxclients", "20"])

    assert server.client().config_get("maxclients") == {"maxclients": "20"}


def test_a_server_that_cannot_start_says_why() -> None:
    server = RedisServer(options=["--no-such-option", "1"])

    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()

    server.remove()


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = redis_server
    ports = iter([taken.port, _free_port()])
    monkeypatch.setattr("tests.redis_server._find_free_port", lambda: next(ports))

    with RedisServer() as server:
        assert server.port != taken.port
        assert server.client().info("server")["process_id"] == server.pid


def test_a_machine_without_a_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.redis_server.shutil.which", lambda name: None)
    monkeypatch.setattr("tests.redis_server.importlib.util.find_spec", lambda name: None)

    with pytest.raises(RuntimeError, match="apt-get install valkey-server"):
        find_program()


def test_a_program_on_path_comes_before_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)

    assert find_program() == program


def test_a_test_that_dies_leaves_no_server(tmp_path: Path) -> None:
    """make_redis ends what the test had killed, paused or left running."""
    (tmp_path / "test_left.py").write_text(
        "def test_left(make_redis):\n"
        "    one, two = make_redis(), make_redis()\n"
        "    two.pause()\n"
        "    print('PIDS', one.pid, two.pid)\n"
        "    raise AssertionError('dies')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.conftest", str(tmp_path / "test_left.py")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    pids = re.findall(r"^PIDS (\d+) (\d+)$", done.stdout, re.MULTILINE)
    assert pids
    for pid in pids[0]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def _free_port() -> int:
    return redis_server._find_free_port()
