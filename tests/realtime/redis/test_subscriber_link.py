"""The link for pub/sub, through a shard: who hears what, and what an outage does to that."""

import asyncio
import logging
from collections.abc import Callable, Collection

import pytest
from redis.exceptions import NoPermissionError

from realtime.errors import LayerUnavailable
from realtime.redis.shard import Shard
from tests.realtime.redis_layers import AWAY_SECONDS
from tests.redis_server import RedisServer
from tests.waiting import until

OpenShard = Callable[..., Shard]
MakeRedis = Callable[..., RedisServer]


class Inbox:
    """Handlers that keep what they were given."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def __call__(self, message: bytes) -> None:
        self.messages.append(message)

    async def expect(self, *messages: bytes) -> None:
        await until(lambda: len(self.messages) >= len(messages))
        assert self.messages == list(messages)


@pytest.fixture
def channel(redis_prefix: str) -> str:
    return f"{redis_prefix}:channel"


# ── Hearing ───────────────────────────────────────────────────────────────────────────────────


async def test_the_next_message_of_another_connection_is_heard(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    subscriber, publisher = open_shard(redis_url), open_shard(redis_url)
    await publisher.call("PING")

    for number in range(50):
        inbox = Inbox()
        await subscriber.subscribe(f"{channel}{number}", inbox)
        assert await publisher.call("PUBLISH", f"{channel}{number}", b"now") == 1
        await inbox.expect(b"now")


async def test_messages_of_one_channel_come_in_order_and_once(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    shard, inbox = open_shard(redis_url), Inbox()
    await asyncio.gather(*(shard.subscribe(channel, inbox) for _ in range(3)))

    await asyncio.gather(*(shard.publish(channel, b"%d" % number) for number in range(1000)))

    await inbox.expect(*(b"%d" % number for number in range(1000)))


async def test_nothing_comes_after_unsubscribing(open_shard: OpenShard, redis_url: str, channel: str) -> None:
    shard, inbox, other = open_shard(redis_url), Inbox(), Inbox()
    await shard.subscribe(channel, inbox)
    await shard.subscribe(f"{channel}:other", other)
    on_its_way = asyncio.create_task(shard.publish(channel, b"late"))

    shard.unsubscribe(channel)

    await on_its_way
    await shard.publish(f"{channel}:other", b"sentinel")
    await other.expect(b"sentinel")
    assert inbox.messages == []
    assert await shard.call("PUBLISH", channel, b"nobody") == 0


async def test_a_channel_is_given_up_and_taken_again_without_waiting(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    shard, publisher = open_shard(redis_url), open_shard(redis_url)
    first, last = Inbox(), Inbox()

    one = asyncio.create_task(shard.subscribe(channel, first))
    await asyncio.sleep(0)
    shard.unsubscribe(channel)
    other = asyncio.create_task(shard.subscribe(channel, last))
    await asyncio.gather(one, other)

    assert await publisher.call("PUBLISH", channel, b"1") == 1
    await last.expect(b"1")
    assert first.messages == []


async def test_who_joins_a_subscription_that_was_just_begun_anew_is_not_told_too_early(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    shard, publisher, inbox = open_shard(redis_url), open_shard(redis_url), Inbox()
    await publisher.call("PING")
    # The first yes is to a subscription that is gone already: it says nothing of the second.
    for number in range(50):
        name = f"{channel}{number}"
        first = asyncio.create_task(shard.subscribe(name, inbox))
        await asyncio.sleep(0)
        shard.unsubscribe(name)
        second = asyncio.create_task(shard.subscribe(name, inbox))
        await first

        await shard.subscribe(name, inbox)

        assert await publisher.call("PUBLISH", name, b"1") == 1
        await second


async def test_one_caller_who_gives_up_leaves_the_subscription_to_the_other(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    shard, inbox = open_shard(redis_url), Inbox()
    await shard.subscribe(f"{channel}:other", Inbox())
    impatient = asyncio.create_task(shard.subscribe(channel, inbox))
    patient = asyncio.create_task(shard.subscribe(channel, inbox))
    await asyncio.sleep(0)

    impatient.cancel()
    await patient

    assert await shard.call("PUBLISH", channel, b"1") == 1
    await inbox.expect(b"1")


async def test_a_lone_caller_who_gives_up_leaves_nothing_behind(
    open_shard: OpenShard, redis_url: str, channel: str
) -> None:
    shard, inbox = open_shard(redis_url), Inbox()
    await shard.subscribe(f"{channel}:other", Inbox())
    task = asyncio.create_task(shard.subscribe(channel, inbox))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait({task})
    # An answer for this one means that what was sent before it has been carried out.
    await shard.subscribe(f"{channel}:after", Inbox())

    assert await shard.call("PUBLISH", channel, b"1") == 0


async def test_a_handler_that_fails_is_logged_and_costs_nobody_else_anything(
    open_shard: OpenShard, redis_url: str, channel: str, caplog: pytest.LogCaptureFixture
) -> None:
    shard, inbox = open_shard(redis_url), Inbox()

    def fail(message: bytes) -> None:
        raise ValueError("a message of another make")

    await shard.subscribe(channel, fail)
    await shard.subscribe(f"{channel}:other", inbox)

    await shard.publish(channel, b"secret")
    await shard.publish(f"{channel}:other", b"1")

    await inbox.expect(b"1")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message == "a message could not be taken"
    assert record.__dict__["channel"] == channel
    assert "secret" not in caplog.text


async def test_a_refused_channel_raises_and_leaves_nothing_behind(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    server.client().execute_command(
        "ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "resetchannels", "&open:*"
    )
    shard = open_shard(server.url, username="app", password="pass")

    with pytest.raises(NoPermissionError):
        await shard.subscribe("closed:1", Inbox())
    await shard.subscribe("open:1", Inbox())

    assert server.client().pubsub_channels() == [b"open:1"]


# ── Outages ───────────────────────────────────────────────────────────────────────────────────


async def test_everything_is_subscribed_again_after_an_outage_and_named(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard, inbox = open_shard(server.url), Inbox()
    restored: list[Collection[str]] = []
    shard.on_restored(restored.append)
    names = [f"channel:{number}" for number in range(5000)]
    await asyncio.gather(*(shard.subscribe(name, inbox) for name in names))
    shard.unsubscribe("channel:0")

    assert server.cut_pubsub() == 1

    await until(lambda: bool(restored))
    assert restored == [names[1:]]
    assert server.client().pubsub_numsub("channel:0", "channel:1", "channel:4999") == [
        (b"channel:0", 0), (b"channel:1", 1), (b"channel:4999", 1),
    ]  # fmt: skip
    assert len(server.client().pubsub_channels()) == 4999
    await shard.publish("channel:4999", b"1")
    await inbox.expect(b"1")


async def test_what_is_given_up_and_taken_while_redis_is_away_counts_when_it_is_back(
    server: RedisServer, shard: Shard
) -> None:
    restored: list[Collection[str]] = []
    shard.on_restored(restored.append)
    for name in ("kept", "dropped", "renewed"):
        await shard.subscribe(name, Inbox())
    inbox = Inbox()
    server.kill()
    await until(lambda: not shard.is_up)

    shard.unsubscribe("dropped")
    shard.unsubscribe("renewed")
    waiting = [asyncio.create_task(shard.subscribe(name, inbox)) for name in ("renewed", "new")]
    server.start()
    await asyncio.gather(*waiting)

    await until(lambda: bool(restored))
    assert restored == [["kept"]]
    assert sorted(server.client().pubsub_channels()) == [b"kept", b"new", b"renewed"]


async def test_subscribing_fails_in_time_while_redis_is_away_and_leaves_nothing_behind(
    server: RedisServer, shard: Shard
) -> None:
    await shard.subscribe("kept", Inbox())
    server.kill()
    await until(lambda: not shard.is_up)

    with pytest.raises(LayerUnavailable):
        async with asyncio.timeout(AWAY_SECONDS):
            await shard.subscribe("refused", Inbox())
    shard.unsubscribe("refused")

    server.start()
    await until(lambda: shard.is_up)
    await until(lambda: server.client().pubsub_channels() == [b"kept"])


async def test_who_waits_for_a_subscription_when_redis_dies_hears_of_it(
    open_shard: OpenShard, make_redis: MakeRedis
) -> None:
    server = make_redis()
    shard = open_shard(server.url)
    await shard.subscribe("kept", Inbox())
    server.pause()
    waiting = [asyncio.create_task(shard.subscribe("new", Inbox())) for _ in range(3)]
    await asyncio.sleep(0)

    server.kill()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LayerUnavailable] * 3
    server.start()
    await until(lambda: server.client().pubsub_channels() == [b"kept"])
