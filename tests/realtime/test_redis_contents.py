"""What the Redis layer keeps in Redis: under which names, who can read it, and how long it stays."""

import asyncio
import logging

import pytest
from msgspec import Raw
from redis.crc import key_slot
from redis.exceptions import ResponseError

from realtime.layers.base import HistoryPolicy
from realtime.messages import ClientInfo, Joined, Position, Publication
from tests.realtime.redis_layers import LONG, MakeLayer, MakeRedis, told

# ── Names ─────────────────────────────────────────────────────────────────────────────────────


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


# ── Values ────────────────────────────────────────────────────────────────────────────────────


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
    first = await layer.begin("a")
    server.client().config_set("maxmemory", 1)

    with pytest.raises(ResponseError, match="maxmemory"):
        await layer.say("a", 2, key="once")

    server.client().config_set("maxmemory", 0)
    assert await layer.say("a", 2, key="once") == Position(2, first.epoch)
    assert await layer.log_of("a") == [(1, b"1"), (2, b"2")]
    assert [event.offset for event in await layer.events.fetch_publications(2)] == [1, 2]
