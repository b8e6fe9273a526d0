"""What INFO says of a server: whether a log in it can be trusted, and whether it can be written."""

from collections.abc import Callable

import pytest
import redis
from redis.exceptions import BusyLoadingError, ReadOnlyError

from realtime.redis.identity import INFO_SECTIONS, ServerIdentity
from tests.redis_server import RedisServer
from tests.waiting import wait_until

MakeRedis = Callable[..., RedisServer]


def identity_of(server: RedisServer) -> ServerIdentity:
    with redis.Redis.from_url(server.url) as client:
        client.set_response_callback("INFO", lambda answer, **_: answer)
        return ServerIdentity.from_info(*(client.info(section) for section in INFO_SECTIONS))


def test_each_start_of_a_server_has_its_own_run_id(make_redis: MakeRedis) -> None:
    server = make_redis(is_durable=True)
    first = identity_of(server)

    server.restart(keep_data=True)

    second = identity_of(server)
    assert len({first.run_id, second.run_id, identity_of(server).run_id}) == 2
    assert second.run_id == server.client().info("server")["run_id"]


def test_what_an_append_only_file_holds_is_durable_and_nothing_else(make_redis: MakeRedis) -> None:
    assert identity_of(make_redis(is_durable=True)).is_durable
    assert not identity_of(make_redis()).is_durable
    # Snapshots may be minutes old.
    assert not identity_of(make_redis(options=("--save", "60 1"))).is_durable


def test_a_promoted_replica_is_not_durable_whatever_it_writes(make_redis: MakeRedis) -> None:
    primary, replica = make_redis(is_durable=True), make_redis(is_durable=True)
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up")

    replica.client().replicaof("NO", "ONE")

    assert not identity_of(replica).is_durable
    assert identity_of(primary).is_durable


def test_a_replica_is_refused(make_redis: MakeRedis) -> None:
    primary, replica = make_redis(), make_redis()

    replica.client().replicaof("127.0.0.1", primary.port)

    with pytest.raises(ReadOnlyError, match="replica"):
        identity_of(replica)


def test_a_server_without_its_data_is_refused() -> None:
    with pytest.raises(BusyLoadingError):
        ServerIdentity.from_info(b"run_id:1\r\n", b"loading:1\r\naof_enabled:1\r\n", b"role:master\r\n")


def test_a_server_that_says_little_is_not_durable() -> None:
    identity = ServerIdentity.from_info(b"# Server\r\nrun_id:1\r\n", b"", b"\r\n")

    assert identity == ServerIdentity(run_id="1", is_durable=False)
    assert identity.arguments == ("1", "0")
