"""The Redis layer when Redis fails: what is lost, what is not, and what the hub is told."""

import asyncio
import logging
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import Raw
from redis.crc import key_slot
from redis.exceptions import ResponseError

from realtime.errors import LayerUnavailable
from realtime.layers.base import HistoryPolicy
from realtime.messages import ClientInfo, Joined, Position, Publication
from tests.realtime.redis_layers import AWAY_SECONDS, LONG, Layer
from tests.redis_server import RedisServer
from tests.waiting import until

MakeRedis = Callable[..., RedisServer]
MakeLayer = Callable[..., Layer]


@pytest.fixture
async def make_layer() -> AsyncIterator[MakeLayer]:
    layers: list[Layer] = []

    def make(*hosts: object, **options: object) -> Layer:
        layers.append(Layer(*hosts, **options))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close()


def told(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= level]


# ── Restarts ──────────────────────────────────────────────────────────────────────────────────


async def test_a_restart_that_kept_everything_is_no_loss(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis(is_durable=True)
    layer = await make_layer(server.url).stand()
    for topic in ("a", "b"):
        await layer.subscribe(topic)
    await layer.subscribe("given up")
    await layer.unsubscribe("given up")
    first = await layer.say("a", 1)
    await layer.events.fetch(1)

    server.restart(keep_data=True)
    second = (await layer.say_again("a", 2)).position

    assert second == Position(2, first.epoch)
    assert await layer.log_of("a") == [(1, b"1"), (2, b"2")]
    await until(lambda: bool(layer.events.doubts))
    assert [sorted(doubt) for doubt in layer.events.doubts] == [["a", "b"]]
    # What came while pub/sub was away is in the log; what comes now is heard.
    await layer.say("b", 3)
    await until(lambda: layer.events.received[-1][0] == "b")
    links = [record.__dict__["link"] for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(links) == ["shard 0 commands", "shard 0 pub/sub"]


async def test_a_restart_that_lost_everything_begins_a_new_epoch(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    first = await layer.say("a", 1)

    server.restart(keep_data=False)
    second = (await layer.say_again("a", 2)).position

    assert second.offset == 1
    assert second.epoch not in ("", first.epoch)
    assert await layer.log_of("a") == [(1, b"2")]
    await until(lambda: layer.events.doubts == [["a"]])


@pytest.mark.parametrize("reads_first", [True, False])
async def test_a_restart_with_older_data_never_goes_on_under_the_old_epoch(
    make_redis: MakeRedis, make_layer: MakeLayer, reads_first: bool
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    old = await layer.say("a", "saved")
    server.client().save()
    assert await layer.say("a", "lost") == Position(2, old.epoch)

    server.restart(keep_data=True)
    assert "asgi:{t:a}:log" in server.keys("*")
    await layer.meet(server)

    if reads_first:
        assert await layer.log_of("a") == []
        assert (await layer.position_of("a")).epoch != old.epoch
    new = await layer.say("a", "new")
    assert new.offset == 1
    assert new.epoch != old.epoch
    assert await layer.log_of("a") == [(1, b"new")]
    # From here on it is a log as any other.
    assert await layer.say("a", "newer") == Position(2, new.epoch)


async def test_a_server_that_became_durable_keeps_its_epochs_from_then_on(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis(is_durable=True)
    layer = await make_layer(server.url).stand()
    first = await layer.say("a", 1)

    for offset in range(2, 5):
        server.restart(keep_data=True)
        assert (await layer.say_again("a", offset)).position == Position(offset, first.epoch)


async def test_while_redis_is_away_calls_fail_in_time_and_unsubscribing_does_not(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis(is_durable=True)
    layer = await make_layer(server.url).stand()
    for topic in ("a", "b"):
        await layer.subscribe(topic)
    server.kill()
    await layer.fall()

    calls = (
        lambda: layer.say("a", 1),
        lambda: layer.publish("a", Publication(data=Raw(b"1"))),
        lambda: layer.broadcast("a", Joined(ClientInfo(user="alice"))),
        lambda: layer.history("a", policy=LONG),
        lambda: layer.remove_history("a"),
        lambda: layer.subscribe("c"),
    )
    # At first it may come back in a moment; later it is known to be away.
    for patience in (AWAY_SECONDS, 1):
        began = time.monotonic()
        outcomes = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
        assert time.monotonic() - began < patience
        assert [type(outcome) for outcome in outcomes] == [LayerUnavailable] * len(calls)
        assert not layer.is_available
    await layer.unsubscribe("b")
    await layer.unsubscribe("never")

    server.start()
    await layer.stand()
    await until(lambda: layer.events.doubts == [["a"]])
    assert await layer.log_of("a") == []


async def test_a_layer_that_never_found_its_redis_fails_in_time_and_finds_it_later(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    server.kill()
    layer = make_layer(server.url)

    assert not layer.is_available
    for _ in range(3):
        with pytest.raises(LayerUnavailable):
            async with asyncio.timeout(AWAY_SECONDS):
                await layer.say("a", 1)
    assert len(told(caplog)) == 2

    server.start()
    await layer.stand()
    assert (await layer.say("a", 1)).offset == 1


# ── Silence ───────────────────────────────────────────────────────────────────────────────────


async def test_an_address_where_nobody_speaks_is_told_once_and_calls_fail_in_time(
    make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(stay_silent, "127.0.0.1", 0)
    layer = make_layer(("127.0.0.1", silent.sockets[0].getsockname()[1]))

    for patience in (AWAY_SECONDS, 1):
        async with asyncio.timeout(patience):
            with pytest.raises(LayerUnavailable):
                await layer.say("a", 1)
    # The first attempt to connect is given up later.
    await until(lambda: len(told(caplog)) == 1)

    assert not layer.is_available
    await layer.close()
    for writer in writers:
        writer.close()
    silent.close()


async def test_a_publication_repeated_after_silence_stands_in_the_log_once(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    await layer.say("a", 1)
    server.pause()
    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await layer.say("a", 2, key="once")

    # It takes now what it had not read: the first attempt.
    server.resume()
    again = await layer.say_again("a", 2, key="once")

    assert again.position.offset == 2
    assert await layer.log_of("a") == [(1, b"1"), (2, b"2")]
    await layer.say("a", 3)
    received = [event.offset for event in await layer.events.fetch_publications(2)]
    assert received == sorted(set(received))


async def test_a_cut_of_pubsub_is_doubted_and_publishing_does_not_notice(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    epoch = (await layer.say("a", 1)).epoch

    assert server.cut_pubsub() == 1
    # None of them fails.
    positions = [await layer.say("a", number) for number in range(2, 20)]

    assert positions == [Position(number, epoch) for number in range(2, 20)]
    await until(lambda: layer.events.doubts == [["a"]])
    await layer.say("a", 20)
    await until(lambda: layer.events.received[-1][1].offset == 20)  # type: ignore[union-attr]  # Only publications.


async def test_a_cut_of_commands_is_no_doubt(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    first = await layer.say("a", 1)

    assert server.cut_commands() == 1
    second = (await layer.say_again("a", 2)).position

    assert second == Position(2, first.epoch)
    await layer.events.fetch(2)
    assert layer.events.doubts == []
    assert len(told(caplog)) == 1


@pytest.mark.parametrize("fault", ["kill", "cut"])
async def test_of_publications_in_flight_each_is_in_the_log_or_was_refused(
    make_redis: MakeRedis, make_layer: MakeLayer, fault: str
) -> None:
    server = make_redis(is_durable=True)
    layer = await make_layer(server.url).stand()
    await layer.say("a", "first")
    tasks = [
        asyncio.create_task(layer.say("a", f"data {number}", key=f"key {number}")) for number in range(1000)
    ]
    # In the middle of them.
    await until(lambda: sum(task.done() for task in tasks) > 100)
    if fault == "kill":
        server.restart(keep_data=True)
    else:
        server.cut_commands()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await layer.meet(server)

    log = dict(await layer.log_of("a"))
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Position):
            assert log[outcome.offset] == f"data {number}".encode()
        else:
            assert isinstance(outcome, LayerUnavailable)

    # Repeated with their keys, each is there exactly once.
    repeated = await asyncio.gather(
        *(layer.say_again("a", f"data {number}", key=f"key {number}") for number in range(1000))
    )
    log = dict(await layer.log_of("a"))
    assert sorted(log.values()) == sorted([b"first", *(b"data %d" % number for number in range(1000))])
    assert sorted(log) == list(range(1, 1002))
    for number, again in enumerate(repeated):
        assert log[again.position.offset] == b"data %d" % number
        outcome = outcomes[number]
        assert again.is_repeat or isinstance(outcome, LayerUnavailable)
        assert outcome == again.position or isinstance(outcome, LayerUnavailable)


async def test_a_process_that_stood_still_keeps_its_connections(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    tasks = [asyncio.create_task(layer.say("a", number)) for number in range(100)]
    await asyncio.sleep(0)

    time.sleep(4)  # noqa: ASYNC251  # That the loop stands still is the test.

    assert [(await task).offset for task in tasks] == list(range(1, 101))
    await layer.events.fetch(100)
    assert (layer.events.doubts, told(caplog, logging.INFO)) == ([], [])
    assert server.client().info("stats")["total_connections_received"] == 3


# ── Order ─────────────────────────────────────────────────────────────────────────────────────


async def test_each_publishers_order_is_kept_among_thousands_in_flight(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer, other = await make_layer(server.url).stand(), await make_layer(server.url).stand()
    await other.subscribe("a")

    async def publish(publisher: int) -> list[int]:
        # Without waiting for one before the next is sent.
        positions = await asyncio.gather(*(layer.say("a", f"{publisher}:{number}") for number in range(100)))
        return [position.offset for position in positions]

    taken = await asyncio.gather(*(publish(publisher) for publisher in range(50)))

    assert all(offsets == sorted(offsets) for offsets in taken)
    assert sorted(offset for offsets in taken for offset in offsets) == list(range(1, 5001))
    received = await other.events.fetch_publications(5000)
    assert [publication.offset for publication in received] == list(range(1, 5001))
    for publisher in range(50):
        mark = b"%d:" % publisher
        own = [bytes(each.data) for each in received if bytes(each.data).startswith(mark)]
        assert own == [b"%d:%d" % (publisher, number) for number in range(100)]


async def test_cancelled_publishers_do_not_shift_the_positions_of_others(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    layer = await make_layer(make_redis().url).stand()
    tasks = [asyncio.create_task(layer.say("a", number)) for number in range(500)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.wait(tasks)

    log = dict(await layer.log_of("a"))
    for number in range(1, 500, 2):
        assert log[tasks[number].result().offset] == b"%d" % number
    assert sorted(log) == list(range(1, len(log) + 1))


async def test_what_another_connection_publishes_after_a_subscription_is_heard(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer, other = await make_layer(server.url).stand(), await make_layer(server.url).stand()

    for number in range(100):
        await layer.subscribe(f"topic {number}")
        await other.say(f"topic {number}", number)
        received = await layer.events.fetch(number + 1)
        assert received[-1][0] == f"topic {number}"


async def test_thousands_of_topics_are_heard_again_after_an_outage_and_all_are_doubted(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    topics = [f"topic {number}" for number in range(5000)]
    await asyncio.gather(*(layer.subscribe(topic) for topic in topics))

    server.restart(keep_data=False)

    await until(lambda: layer.events.doubts == [topics])
    await layer.meet(server)
    for topic in (topics[0], topics[2500], topics[-1]):
        await layer.say(topic, 1)
    assert [topic for topic, _, _ in await layer.events.fetch(3)] == [topics[0], topics[2500], topics[-1]]


async def test_flushed_scripts_are_not_noticed(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()

    for number in range(1, 6):
        server.client().script_flush()
        assert (await layer.say("a", number)).offset == number
        server.client().script_flush()
        assert len(await layer.log_of("a")) == number


# ── Options ───────────────────────────────────────────────────────────────────────────────────


async def test_an_address_is_given_in_every_way_of_channels_redis(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis(password="secret")
    server.client().execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all")
    port = server.port
    hosts = (
        server.url,
        {"address": server.url},
        {"address": f"redis://127.0.0.1:{port}", "password": "secret"},
        {"host": "127.0.0.1", "port": port, "username": "app", "password": "pass", "db": 0},
        f"redis://app:pass@127.0.0.1:{port}/0",
    )
    for number, host in enumerate(hosts, 1):
        layer = await make_layer(host).stand()
        assert (await layer.say("a", number)).offset == number
        published = layer.blocking.publish("b", Publication(data=Raw(b"1")), history=LONG)
        assert published.position.offset == number
        layer.blocking.close()


async def test_a_host_and_port_is_an_address(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(("127.0.0.1", server.port)).stand()

    await layer.say("a", 1)

    assert server.keys() == {"asgi:{t:a}:meta", "asgi:{t:a}:log"}
    assert layer.blocking.publish("a", Publication(data=Raw(b"1")), history=LONG).position.offset == 2
    layer.blocking.close()


async def test_a_database_of_the_server_is_used_by_both(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(f"redis://127.0.0.1:{server.port}/5").stand()

    await layer.say("a", 1)
    layer.blocking.publish("a", Publication(data=Raw(b"2")), history=LONG)

    assert server.client().info("keyspace") == {"db5": {**server.client().info("keyspace")["db5"], "keys": 2}}
    assert len(await layer.log_of("a")) == 2
    layer.blocking.close()


async def test_a_socket_file_is_an_address(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis(unix_socket=True, password="secret")
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")

    await layer.say("a", 1)
    assert layer.blocking.publish("a", Publication(data=Raw(b"2")), history=LONG).position.offset == 2

    await layer.events.fetch(2)
    layer.blocking.close()


async def test_several_servers_share_the_topics_as_the_blocking_side_does(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    servers = [make_redis(), make_redis(), make_redis()]
    layer = await make_layer(*(server.url for server in servers)).stand()
    topics = [f"topic {number}" for number in range(30)]

    for topic in topics:
        await layer.subscribe(topic)
        await layer.say(topic, 1)
        layer.blocking.publish(topic, Publication(data=Raw(b"2")), history=LONG)

    assert sorted((topic, event.offset) for topic, event, _ in await layer.events.fetch(60)) == sorted(  # type: ignore[union-attr]  # Only publications.
        (topic, offset) for topic in topics for offset in (1, 2)
    )
    assert sum(len(server.keys()) for server in servers) == 60
    layer.blocking.close()


async def test_one_server_of_several_that_is_away_costs_its_topics_alone(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    servers = [make_redis(), make_redis()]
    layer = await make_layer(*(server.url for server in servers)).stand()
    topics = [f"topic {number}" for number in range(20)]
    for topic in topics:
        await layer.subscribe(topic)
        await layer.say(topic, 1)
    held = {topic for topic in topics if f"asgi:{{t:{topic}}}:log" in servers[0].keys("*")}
    assert 0 < len(held) < 20

    servers[0].restart(keep_data=False)

    await until(lambda: bool(layer.events.doubts))
    assert set(*layer.events.doubts) == held
    await layer.meet(servers[0])
    offsets = {topic: (await layer.say(topic, 2)).offset for topic in topics}
    assert offsets == {topic: 1 if topic in held else 2 for topic in topics}


HOSTILE_TOPICS = (
    "}", "{", "{}", "a}b", "{a", "}{", "t:{x}", "{t:x}", "}:meta", "}}", "*", "a}:log", "a}:key:k", "\\",
)  # fmt: skip


@pytest.mark.parametrize("prefix", ["asgi", "a{b}", "{app}", "*"])
async def test_the_keys_of_one_topic_are_in_one_slot_and_are_no_others(
    redis_url: str, make_layer: MakeLayer, prefix: str
) -> None:
    layer = make_layer(redis_url, prefix=prefix)
    seen: set[str] = set()
    kinds = ("meta", "log", "key:k", "key::meta", "members", "users", "hidden")

    for topic in HOSTILE_TOPICS:
        keys = [layer.key(topic, kind) for kind in kinds]
        assert len({key_slot(key.encode()) for key in keys}) == 1
        assert not seen & set(keys)
        seen.update(keys)


async def test_no_idempotency_key_reaches_another_topics_keys(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    layer = await make_layer(make_redis().url).stand()
    victims = ["a}:key:k", "a:key:k", "a"]
    for victim in victims:
        await layer.say(victim, "kept")

    for key in ("k}:meta", "k}:log", "k", "k:meta", ":meta", "}:meta", "k}:key:x"):
        await layer.say("a", "hostile", key=key)
        await layer.say("a}", "hostile", key=key)

    for victim in victims:
        assert (await layer.log_of(victim))[0] == (1, b"kept")


async def test_hostile_topic_names_are_topics_like_others(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    layer = await make_layer(make_redis().url).stand()
    for topic in HOSTILE_TOPICS:
        await layer.subscribe(topic)

    for topic in HOSTILE_TOPICS:
        assert (await layer.say(topic, topic)).offset == 1

    assert [(topic, bytes(event.data)) for topic, event, _ in await layer.events.fetch(14)] == [  # type: ignore[union-attr]  # Only publications.
        (topic, topic.encode()) for topic in HOSTILE_TOPICS
    ]
    for topic in HOSTILE_TOPICS:
        assert await layer.log_of(topic) == [(1, topic.encode())]


@pytest.mark.parametrize("prefix", ["asgi", "a[b]", "*", "a?"])
async def test_flushing_deletes_what_is_under_its_prefix_and_nothing_else(
    make_redis: MakeRedis, make_layer: MakeLayer, prefix: str
) -> None:
    server = make_redis()
    layer, neighbour = make_layer(server.url, prefix=prefix), make_layer(server.url, prefix="ab")
    await neighbour.say("a", 1)
    kept = server.keys()
    await layer.say("a", 1)

    await layer.flush()

    assert server.keys() == kept


# ── What is in Redis ──────────────────────────────────────────────────────────────────────────


async def test_encrypted_no_content_can_be_read_in_redis(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url, symmetric_encryption_keys=["key of the project"]).stand()
    info = ClientInfo(
        user="alice", client="c1", conn_info=Raw(b'"PLAIN-conn"'), chan_info=Raw(b'"PLAIN-chan"')
    )
    publication = Publication(data=Raw(b'"PLAIN-data"'), info=info, tags={"PLAIN-tag": "PLAIN-tag"})
    with server.client().monitor() as monitor:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        await layer.subscribe("a")
        await layer.publish("a", publication, history=LONG, idempotency_key="k")
        await layer.publish("a", publication)
        await layer.broadcast("a", Joined(info))
        await layer.group_send("people", {"type": "PLAIN-group"})
        await layer.send("a channel of another process", {"type": "PLAIN-send"})
        layer.blocking.publish("a", publication, history=LONG)
        layer.blocking.close()
        await layer.shard_of("a").call("ECHO", "the last one")
        commands: list[str] = []
        while not commands or "the last one" not in commands[-1]:
            commands.append(str(monitor.next_command()["command"]))
    client = server.client()
    values = [
        str(client.lrange(key, 0, -1) if key.endswith(":log") else client.hgetall(key))
        for key in server.keys("*:log") | server.keys("*:meta")
    ]

    assert sum("PUBLISH" in command for command in commands) >= 5
    for text in (*commands, *values):
        assert "PLAIN" not in text
        assert "alice" not in text
    # And it is there for those who have the key.
    assert bytes((await layer.events.fetch_publications(4))[0].data) == b'"PLAIN-data"'
    assert (await layer.receive(channel))["type"] == "PLAIN-group"
    assert await layer.log_of("a") == [(1, b'"PLAIN-data"'), (2, b'"PLAIN-data"')]


async def test_keys_of_encryption_can_be_changed_one_after_the_other(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    old = await make_layer(server.url, symmetric_encryption_keys=["old"]).stand()
    new = await make_layer(server.url, symmetric_encryption_keys=["new", "old"]).stand()
    await old.say("a", 1)

    await new.say("a", 2)

    assert await new.log_of("a") == [(1, b"1"), (2, b"2")]


async def test_foreign_messages_are_told_of_once_each_and_cost_nobody_else_anything(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    layer = await make_layer(server.url, symmetric_encryption_keys=["mine"]).stand()
    stranger = await make_layer(server.url, symmetric_encryption_keys=["other"]).stand()
    await layer.subscribe("a")
    await layer.subscribe("b")
    foreign = (b"", b"hello", b"::", b"x::secret", b"p1:e:secret", b"p:e:secret", b"\xff:\xff:\xff", b"j::")

    for message in foreign:
        server.client().publish(layer.topic_channel("a"), message)
    await stranger.broadcast("a", Joined(ClientInfo(user="bob")))
    await layer.say("b", 1)

    [(topic, _, _)] = await layer.events.fetch(1)
    assert topic == "b"
    assert told(caplog) == ["a message could not be taken"] * (len(foreign) + 1)
    assert "secret" not in caplog.text
    assert {record.__dict__["channel"] for record in caplog.records} == {layer.topic_channel("a")}
    assert layer.is_available


async def test_entries_that_cannot_be_read_count_as_trimmed_with_all_before_them(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis()
    mine = await make_layer(server.url, symmetric_encryption_keys=["mine"]).stand()
    others = await make_layer(server.url, symmetric_encryption_keys=["other"]).stand()
    for number, layer in enumerate((mine, mine, others, mine, mine), 1):
        epoch = (await layer.say("a", number)).epoch

    assert await mine.log_of("a") == [(4, b"4"), (5, b"5")]
    since = await mine.history("a", policy=LONG, since=Position(1, epoch))
    assert ([each.offset for each in since.publications], since.top) == ([4, 5], Position(5, epoch))
    reverse = await mine.history("a", policy=LONG, reverse=True)
    assert [each.offset for each in reverse.publications] == [5, 4]
    limited = await mine.history("a", policy=LONG, limit=3)
    assert limited.publications == []
    [record, *_] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message == "entries of a log cannot be read"
    assert record.__dict__["topic"] == "a"
    # One word for each reading, and what is before or behind them does no harm.
    assert len(told(caplog)) == 4
    assert [each.offset for each in (await mine.history("a", policy=LONG, limit=2)).publications] == [1, 2]
    assert (await mine.say("a", 6)).offset == 6


async def test_a_text_that_is_no_unicode_costs_nobody_else_anything(
    make_redis: MakeRedis, make_layer: MakeLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer = await make_layer(make_redis().url).stand()

    outcomes = await asyncio.gather(
        layer.say("a", 1), layer.say("a", 2, key="\ud800"), layer.say("a", 3), return_exceptions=True
    )

    assert isinstance(outcomes[1], UnicodeError)
    assert [each.offset for each in outcomes if isinstance(each, Position)] == [1, 2]
    assert told(caplog) == []


# ── Time to live ──────────────────────────────────────────────────────────────────────────────


async def test_every_key_ends_by_itself(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    policy = HistoryPolicy(size=2, ttl_seconds=10, meta_ttl_seconds=100)

    await layer.publish(
        "a", Publication(data=Raw(b"1")), history=policy, idempotency_key="k", idempotency_ttl_seconds=50
    )

    ends = {key: server.client().pttl(key) / 1000 for key in server.keys("*")}
    assert ends == {
        "asgi:{t:a}:log": pytest.approx(10, abs=5),
        "asgi:{t:a}:key:k": pytest.approx(50, abs=5),
        "asgi:{t:a}:meta": pytest.approx(100, abs=5),
    }
    await layer.history("b", policy=policy)
    assert 90 < server.client().ttl("asgi:{t:b}:meta") <= 100


@pytest.mark.parametrize(("lost", "goes_on"), [("log", True), ("meta", False)])
async def test_what_a_full_server_evicts_of_a_log_is_no_gap_that_passes_for_complete(
    make_redis: MakeRedis, make_layer: MakeLayer, lost: str, goes_on: bool
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    first = [await layer.say("a", number) for number in range(1, 4)][-1]

    server.client().delete(f"asgi:{{t:a}}:{lost}")

    assert await layer.log_of("a") == []
    next_one = await layer.say("a", 4)
    assert (next_one.epoch == first.epoch) == goes_on
    assert next_one.offset == (4 if goes_on else 1)
    assert await layer.log_of("a") == [(next_one.offset, b"4")]


async def test_a_server_without_room_refuses_the_whole_publication(
    make_redis: MakeRedis, make_layer: MakeLayer
) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    first = await layer.say("a", 1)
    server.client().config_set("maxmemory", 1)

    with pytest.raises(ResponseError, match="maxmemory"):
        await layer.say("a", 2, key="once")

    server.client().config_set("maxmemory", 0)
    assert await layer.say("a", 2, key="once") == Position(2, first.epoch)
    assert await layer.log_of("a") == [(1, b"1"), (2, b"2")]
    assert [event.offset for event in await layer.events.fetch_publications(2)] == [1, 2]


# ── Two processes ─────────────────────────────────────────────────────────────────────────────


async def test_two_processes_hear_each_other(make_redis: MakeRedis, make_layer: MakeLayer) -> None:
    server = make_redis()
    layer = await make_layer(server.url).stand()
    await layer.subscribe("a")
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    program = """
        import asyncio, sys
        from tests.realtime.redis_layers import Layer

        async def main():
            layer = Layer(sys.argv[1])
            await layer.subscribe("b")
            await layer.say("a", "from the other process")
            await layer.group_send("people", {"type": "greet"})
            await layer.send(sys.argv[2], {"type": "alone"})
            await layer.events.fetch(1)
            await layer.close()

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", textwrap.dedent(program), server.url, channel,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        [(topic, _, _)] = await layer.events.fetch(1)
        async with asyncio.timeout(10):
            received = [(await layer.receive(channel))["type"] for _ in range(2)]
        await layer.say("b", "to the other process")
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()

    assert (topic, received) == ("a", ["greet", "alone"])
    assert (process.returncode, errors) == (0, b"")
