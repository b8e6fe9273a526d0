"""The Redis layer when Redis fails: what is lost, what is not, and what the hub is told."""

import asyncio
import logging
import time

import pytest
from msgspec import Raw

from realtime.errors import LayerUnavailable
from realtime.messages import ClientInfo, Joined, Position, Publication
from tests.realtime.redis_layers import AWAY_SECONDS, LONG, MakeLayer, MakeRedis, told
from tests.waiting import until

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
    first = await layer.begin("a")

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
    await layer.begin("a")
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
    epoch = (await layer.begin("a")).epoch

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
    first = await layer.begin("a")

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
