"""Publishing through Redis from code without an event loop: threads, forks, restarts."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.layers.base import Published
from realtime.layers.redis_blocking import BlockingRedisLayer
from realtime.messages import ClientInfo, Position, Publication
from realtime.redis.blocking_shard import MAX_CONNECTIONS
from tests.realtime.redis_layers import AWAY_SECONDS, LONG, Layer, MakeLayer, MakeRedis
from tests.waiting import until, wait_until


def publish(blocking: BlockingRedisLayer, topic: str, data: bytes | str | int, *, key: str = "") -> Published:
    text = data if isinstance(data, bytes) else str(data).encode()
    return blocking.publish(topic, Publication(data=Raw(text)), history=LONG, idempotency_key=key)


async def test_what_threads_publish_is_heard_in_order(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    taken: list[int] = []

    def work() -> None:
        taken.extend(publish(layer.blocking, "a", number).position.offset for number in range(200))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    received = await layer.events.fetch_publications(4000)
    for thread in threads:
        thread.join()

    assert sorted(taken) == list(range(1, 4001))
    assert [publication.offset for publication in received] == list(range(1, 4001))
    # Three are the layer's and the test's.
    assert len(server.client().client_list()) - 3 <= min(20, MAX_CONNECTIONS)
    layer.blocking.close()
    await until(lambda: len(server.client().client_list()) == 3)


async def test_both_sides_write_one_log(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    layer = await make_layer(make_redis().url, symmetric_encryption_keys=["key"]).stand()
    info = ClientInfo(user="alice", conn_info=Raw(b'"conn"'))

    first = layer.blocking.publish("a", Publication(data=Raw(b"1"), info=info), history=LONG)
    second = await layer.say("a", 2)

    assert second == Position(2, first.position.epoch)
    assert await layer.log_of("a") == [(1, b"1"), (2, b"2")]
    [publication, _] = (await layer.history("a", policy=LONG)).publications
    assert publication.info is not None
    assert (publication.info.user, bytes(publication.info.conn_info)) == ("alice", b'"conn"')


async def test_an_idempotency_key_counts_on_both_sides(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    layer = await make_layer(make_redis().url).stand()

    first = publish(layer.blocking, "a", 1, key="once")
    again = publish(layer.blocking, "a", 1, key="once")
    other_side = await layer.say_all("a", 1, key="once")

    assert not first.is_repeat
    assert again == other_side == Published(first.position, is_repeat=True)
    assert await layer.log_of("a") == [(1, b"1")]


async def test_a_publication_without_history_is_heard_and_leaves_nothing(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")

    published = layer.blocking.publish("a", Publication(data=Raw(b"1")))

    assert published == Published(Position())
    [(topic, event, epoch)] = await layer.events.fetch(1)
    assert isinstance(event, Publication)
    assert (topic, bytes(event.data), event.offset, epoch) == ("a", b"1", 0, "")
    assert server.keys() == set()


def test_a_restart_between_calls_goes_on_with_the_log_or_begins_anew(make_redis: MakeRedis) -> None:
    durable, fleeting = make_redis(is_durable=True), make_redis()
    for server in (durable, fleeting):
        blocking = Layer(server.url).blocking
        first = publish(blocking, "a", 1).position

        server.restart(keep_data=True)

        second = publish(blocking, "a", 2).position
        assert (second.epoch == first.epoch) == server.is_durable
        assert second.offset == (2 if server.is_durable else 1)
        blocking.close()


def test_a_snapshot_that_is_older_begins_a_new_epoch(make_redis: MakeRedis) -> None:
    server = make_redis()
    blocking = Layer(server.url).blocking
    first = publish(blocking, "a", 1).position
    server.client().save()
    publish(blocking, "a", 2)

    server.restart(keep_data=True)

    second = publish(blocking, "a", 3).position
    assert second.offset == 1
    assert second.epoch != first.epoch
    blocking.close()


def test_while_redis_is_away_publishing_fails_in_time(make_redis: MakeRedis) -> None:
    server = make_redis()
    blocking = Layer(server.url).blocking
    publish(blocking, "a", 1)
    server.pause()

    for key in ("once", "other"):
        began = time.monotonic()
        with pytest.raises(LayerUnavailable, match="Redis is away"):
            publish(blocking, "a", 2, key=key)
        assert time.monotonic() - began < AWAY_SECONDS
    # What was sent is taken now, if it was sent.
    server.resume()

    repeated = publish(blocking, "a", 2, key="once")
    assert repeated.position.offset == 2
    server.kill()
    with pytest.raises(LayerUnavailable, match="Redis is away"):
        publish(blocking, "a", 3)
    blocking.close()


def test_threads_that_all_find_redis_silent_fail_in_time(make_redis: MakeRedis) -> None:
    server = make_redis()
    blocking = Layer(server.url).blocking
    publish(blocking, "a", 1)
    server.pause()
    took: list[float] = []

    def work() -> None:
        began = time.monotonic()
        with pytest.raises(LayerUnavailable):
            publish(blocking, "a", 2)
        took.append(time.monotonic() - began)

    # More than there are connections: those who wait for one must not wait for ever.
    threads = [threading.Thread(target=work) for _ in range(MAX_CONNECTIONS + 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(took) == len(threads)
    # One time for a connection, one for the answer.
    assert max(took) < 2 * AWAY_SECONDS
    server.resume()
    blocking.close()


def test_a_process_that_forks_publishes_from_both_sides(make_redis: MakeRedis) -> None:
    server = make_redis()
    program = """
        import os, sys
        from msgspec import Raw
        from realtime.messages import Publication
        from tests.realtime.redis_layers import LONG, Layer

        blocking = Layer(sys.argv[1]).blocking
        blocking.publish("a", Publication(data=Raw(b"0")), history=LONG)
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                for number in range(50):
                    blocking.publish("a", Publication(data=Raw(b"1")), history=LONG)
                os._exit(0)
            children.append(child)
        for number in range(50):
            blocking.publish("a", Publication(data=Raw(b"2")), history=LONG)
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        last = blocking.publish("a", Publication(data=Raw(b"3")), history=LONG)
        assert last.position.offset == 252, last
        blocking.close()
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), server.url], check=True, timeout=50
    )

    assert server.client().llen("asgi:{t:a}:log") == 252
    wait_until(lambda: len(server.client().client_list()) == 1)
