"""Subscribing: who is let in, what the reply says, what is recovered, and what comes after."""

from typing import Any

import jwt
import pytest
from msgspec import Raw

from realtime.caller import Caller
from realtime.errors import CloseCode
from realtime.limits import Limits
from realtime.messages import REJECTS_UNRECOVERED, WANTS_TOPIC_ID
from realtime.testing import ManualNode
from realtime.testing.node import SECRET
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.realtime.layers import settle
from tests.realtime.replies import error_of, offsets, sub_refreshed, subscribed

PLAIN = Namespace(name="plain", allow_subscribe_for_client=True)
STREAM = Namespace(
    name="stream", history_size=3, history_ttl=60, force_recovery=True, allow_subscribe_for_client=True
)
CACHE = Namespace(
    name="cache",
    history_size=1,
    history_ttl=60,
    force_recovery=True,
    force_recovery_mode="cache",
    allow_subscribe_for_client=True,
)
KEPT = Namespace(name="kept", history_size=3, history_ttl=60, allow_subscribe_for_client=True)
CLOSED = Namespace(name="closed", presence=True)
PEOPLE = Namespace(
    name="people",
    presence=True,
    join_leave=True,
    allow_subscribe_for_client=True,
    allow_presence_for_subscriber=True,
)
ALL = (PLAIN, STREAM, CACHE, KEPT, CLOSED, PEOPLE)


def token(topic: str, *, user: str = "42", **claims: Any) -> str:
    return jwt.encode({"sub": user, "channel": topic, **claims}, SECRET, algorithm="HS256")


# ── Who is let in ─────────────────────────────────────────────────────────────────────────────


async def test_a_subscriber_gets_what_is_published_from_then_on() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await node.publish("plain:a", b"before")

    result = subscribed(await client.subscribe("plain:a"))
    await node.publish("plain:a", b"after")
    await node.publish("plain:b", b"elsewhere")

    assert (result.recoverable, result.positioned, result.epoch, result.offset) == (False, False, "", 0)
    assert (result.expires, result.id) == (False, 0)
    [push] = client.pushes
    assert push.channel == "plain:a"
    assert client.received_data() == [b"after"]


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("unknown:a", 102),
        ("a", 102),
        ("closed:a", 103),
        ("$plain:a", 103),
        ("plain:dialog#43", 103),
        ("", 107),
        ("plain:a b", 107),
        ("plain:" + "a" * 250, 107),
    ],
)
async def test_a_topic_that_is_not_open_is_refused_with_the_right_number(topic: str, code: int) -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    assert error_of(await client.subscribe(topic)) == code
    assert (client.close_code, len(node.hub)) == (None, 0)


async def test_a_topic_is_subscribed_once() -> None:
    client = await ManualNode(*ALL).connect()
    subscribed(await client.subscribe("plain:a"))

    assert error_of(await client.subscribe("plain:a")) == 105
    assert client.session.topics == ["plain:a"]


async def test_a_connection_has_no_more_topics_than_it_may_have() -> None:
    client = await ManualNode(*ALL).connect()
    for number in range(128):
        subscribed(await client.subscribe(f"plain:{number}"))

    assert error_of(await client.subscribe("plain:one-more")) == 106

    await client.unsubscribe("plain:0")
    subscribed(await client.subscribe("plain:one-more"))


async def test_a_tag_filter_is_not_available_and_so_nothing_is_sent_unfiltered() -> None:
    client = await ManualNode(*ALL).connect()

    assert error_of(await client.subscribe("plain:a", tf=Raw(b'{"key":"a"}'))) == 108
    assert client.session.topics == []


async def test_a_hook_decides_and_is_told_who_asks_for_what() -> None:
    asked: list[tuple[Caller, TopicName]] = []

    def can_subscribe(caller: Caller, topic: TopicName) -> bool:
        asked.append((caller, topic))
        return topic.key == "open"

    node = ManualNode(Namespace(name="", can_subscribe=can_subscribe))
    client = await node.connect("42")

    subscribed(await client.subscribe("open"))
    assert error_of(await client.subscribe("closed")) == 103
    assert asked[0] == (Caller("42", "client1"), TopicName.parse("open"))


# ── Subscription tokens ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("topic", ["closed:a", "$closed:a", "closed:dialog#43"])
async def test_a_subscription_token_opens_its_topic(topic: str) -> None:
    client = await ManualNode(*ALL).connect()

    subscribed(await client.subscribe(topic, token=token(topic)))


async def test_a_tokens_info_is_shown_to_the_other_members() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    await client.subscribe("closed:a", token=token("closed:a", info={"seat": 5}))

    assert bytes((await node.presence.members("closed:a"))[client.id].chan_info) == b'{"seat":5}'


async def test_a_token_may_override_options_that_are_no_rights() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    await client.subscribe("closed:a", token=token("closed:a", override={"presence": {"value": False}}))

    assert await node.presence.members("closed:a") == {}


@pytest.mark.parametrize(
    "override",
    [{"allow_publish_for_client": {"value": True}}, {"force_recovery": {"value": True}}],
)
async def test_a_token_with_an_override_that_cannot_be_is_refused(override: dict[str, Any]) -> None:
    client = await ManualNode(*ALL).connect()

    assert error_of(await client.subscribe("closed:a", token=token("closed:a", override=override))) == 103


async def test_a_bad_token_is_refused_even_where_none_is_needed() -> None:
    client = await ManualNode(*ALL).connect()

    assert error_of(await client.subscribe("plain:a", token="bad")) == 103


async def test_a_connection_token_opens_no_topic() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    assert error_of(await client.subscribe("closed:a", token=node.token("42"))) == 103


async def test_an_expired_token_may_be_followed_by_a_new_one() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    old = node.tokens.subscription(user="42", topic="closed:a", ttl_seconds=1)
    node.clock.advance(2)

    assert error_of(await client.subscribe("closed:a", token=old)) == 109
    fresh = node.tokens.subscription(user="42", topic="closed:a", ttl_seconds=60)
    result = subscribed(await client.subscribe("closed:a", token=fresh))
    assert (result.expires, result.ttl) == (True, 60)


@pytest.mark.parametrize("wrong", [token("closed:b"), token("closed:a", user="43")])
async def test_the_token_of_another_topic_or_user_closes_the_connection(wrong: str) -> None:
    client = await ManualNode(*ALL).connect("42")

    await client.subscribe("closed:a", token=wrong)

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_a_sub_refresh_renews_the_subscription() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    short = node.tokens.subscription(user="42", topic="closed:a", ttl_seconds=10)
    await client.subscribe("closed:a", token=short)

    longer = node.tokens.subscription(user="42", topic="closed:a", ttl_seconds=600)
    result = sub_refreshed(await client.sub_refresh("closed:a", longer))

    assert (result.expires, result.ttl) == (True, 600)


async def test_a_sub_refresh_by_a_token_without_an_end_ends_expiry() -> None:
    client = await ManualNode(*ALL).connect()
    await client.subscribe("plain:a")

    result = sub_refreshed(await client.sub_refresh("plain:a", token("plain:a")))

    assert (result.expires, result.ttl) == (False, 0)


async def test_a_sub_refresh_that_is_wrong_is_refused() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await client.subscribe("plain:a")

    assert error_of(await client.sub_refresh("plain:b", token("plain:b"))) == 103
    assert error_of(await client.sub_refresh("plain:a", "bad")) == 103
    old = node.tokens.subscription(user="42", topic="plain:a", ttl_seconds=1)
    node.clock.advance(2)
    assert error_of(await client.sub_refresh("plain:a", old)) == 109
    await client.sub_refresh("plain:a", token("plain:b"))
    assert client.close_code is CloseCode.INVALID_TOKEN


# ── Positions and recovery ────────────────────────────────────────────────────────────────────


async def test_a_recoverable_topic_says_where_its_log_stands() -> None:
    node = ManualNode(*ALL)
    await node.publish("stream:a", b"1")

    result = subscribed(await (await node.connect()).subscribe("stream:a"))

    assert (result.recoverable, result.positioned) == (True, True)
    assert (result.epoch, result.offset, result.publications) == ("epoch1", 1, [])
    assert (result.recovered, result.was_recovering) == (False, False)


async def test_what_was_missed_comes_with_the_reply_and_nothing_twice() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    for data in (b"1", b"2", b"3"):
        await node.publish("stream:a", data)

    result = subscribed(await client.subscribe("stream:a", recover=True, epoch="epoch1", offset=1))
    await node.publish("stream:a", b"4")

    assert (result.recovered, result.was_recovering, result.epoch) == (True, True, "epoch1")
    # The client takes its position from the publications, and keeps its own where there are none.
    assert (result.offset, offsets(result.publications)) == (1, [2, 3])
    assert offsets(client.received_publications()) == [4]


async def test_a_client_that_missed_nothing_recovers_nothing() -> None:
    node = ManualNode(*ALL)
    await node.publish("stream:a", b"1")

    result = subscribed(
        await (await node.connect()).subscribe("stream:a", recover=True, epoch="epoch1", offset=1)
    )

    assert (result.recovered, result.offset, result.publications) == (True, 1, [])


@pytest.mark.parametrize(("epoch", "offset"), [("epoch1", 0), ("other", 4), ("epoch1", 9)])
async def test_a_gap_that_the_log_does_not_hold_is_told_and_not_half_filled(epoch: str, offset: int) -> None:
    node = ManualNode(*ALL)
    for number in range(5):
        await node.publish("stream:a", b"%d" % number)

    result = subscribed(
        await (await node.connect()).subscribe("stream:a", recover=True, epoch=epoch, offset=offset)
    )

    assert (result.recovered, result.was_recovering, result.publications) == (False, True, [])
    assert (result.epoch, result.offset) == ("epoch1", 5)


async def test_a_client_that_wants_no_unrecovered_subscription_gets_none() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    reply = await client.subscribe(
        "stream:a", recover=True, epoch="other", offset=1, flag=REJECTS_UNRECOVERED
    )

    assert error_of(reply) == 112
    assert (len(node.hub), client.session.topics) == (0, [])
    subscribed(await client.subscribe("stream:a", flag=REJECTS_UNRECOVERED))


async def test_a_cache_gives_the_newest_publication_alone() -> None:
    node = ManualNode(*ALL)
    for data in (b"1", b"2", b"3"):
        await node.publish("cache:a", data)

    result = subscribed(await (await node.connect()).subscribe("cache:a", recover=True))

    assert (result.recovered, result.was_recovering) == (True, True)
    assert (offsets(result.publications), result.offset) == ([3], 3)


async def test_a_cache_gives_nothing_to_who_has_the_newest() -> None:
    node = ManualNode(*ALL)
    await node.publish("cache:a", b"1")

    result = subscribed(
        await (await node.connect()).subscribe("cache:a", recover=True, epoch="epoch1", offset=1)
    )

    assert (result.recovered, result.publications, result.offset) == (True, [], 1)


async def test_an_empty_cache_recovers_nothing() -> None:
    result = subscribed(await (await ManualNode(*ALL).connect()).subscribe("cache:a", recover=True))

    assert (result.recovered, result.was_recovering, result.publications) == (False, True, [])


async def test_positioning_is_had_for_the_asking_where_there_is_a_log() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await node.publish("kept:a", b"1")

    asked = subscribed(await client.subscribe("kept:a", positioned=True))
    unasked = subscribed(await client.subscribe("kept:b"))
    without_log = subscribed(await client.subscribe("plain:a", positioned=True))

    assert (asked.positioned, asked.recoverable, asked.offset) == (True, False, 1)
    assert (unasked.positioned, unasked.epoch) == (False, "")
    assert without_log.positioned is False


@pytest.mark.parametrize("may_read", [True, False])
async def test_recovery_is_had_for_the_asking_by_who_may_read_history(may_read: bool) -> None:
    node = ManualNode(
        Namespace(
            name="kept",
            history_size=3,
            history_ttl=60,
            allow_subscribe_for_client=True,
            allow_history_for_subscriber=may_read,
        )
    )
    await node.publish("kept:a", b"1")

    result = subscribed(
        await (await node.connect()).subscribe("kept:a", recoverable=True, recover=True, epoch="epoch1")
    )

    assert (result.recoverable, result.recovered) == (may_read, may_read)
    assert offsets(result.publications) == ([1] if may_read else [])


async def test_a_lost_position_ends_the_subscription_so_that_the_client_recovers() -> None:
    node = ManualNode(*ALL)
    positioned, other = await node.connect(), await node.connect()
    await positioned.subscribe("kept:a", positioned=True)
    await other.subscribe("kept:a")

    # A new epoch: the log was lost.
    await node.memory.flush()
    await node.publish("kept:a", b"1")
    # The hub looks at the log before it believes it.
    await settle()
    node.scheduler.run()
    await positioned.connection.run_jobs()

    [push] = [push for push in positioned.pushes if push.unsubscribe is not None]
    assert push.unsubscribe is not None
    assert (push.channel, push.unsubscribe.code) == ("kept:a", 2500)
    assert positioned.received_data() == []
    assert positioned.session.topics == []
    assert other.received_data() == [b"1"]


# ── Numbers, joins and leaves ─────────────────────────────────────────────────────────────────


async def test_a_client_may_ask_for_numbers_in_place_of_names() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()

    result = subscribed(await client.subscribe("people:a", flag=WANTS_TOPIC_ID, join_leave=True))
    await node.publish("people:a", b"1")

    assert result.id > 0
    assert [(push.id, push.channel) for push in client.pushes] == [(result.id, "")] * 2


async def test_joins_and_leaves_are_pushed_to_those_who_asked() -> None:
    node = ManualNode(*ALL)
    curious, other = await node.connect("1"), await node.connect("2")
    await curious.subscribe("people:a", join_leave=True)
    await other.subscribe("people:a")

    third = await node.connect("3")
    await third.subscribe("people:a")
    await third.unsubscribe("people:a")
    node.scheduler.run()

    joined = [push.join.info.user for push in curious.pushes if push.join is not None]
    left = [push.leave.info.user for push in curious.pushes if push.leave is not None]
    assert (joined, left) == (["1", "2", "3"], ["3"])
    assert other.pushes == []


async def test_joins_are_not_pushed_to_who_may_not_see_who_is_there() -> None:
    node = ManualNode(Namespace(name="", join_leave=True, allow_subscribe_for_client=True))
    client = await node.connect()
    await client.subscribe("a", join_leave=True)

    await (await node.connect()).subscribe("a")
    node.scheduler.run()

    assert client.pushes == []


# ── Unsubscribing ─────────────────────────────────────────────────────────────────────────────


async def test_nothing_comes_after_unsubscribing() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await client.subscribe("plain:a")

    reply = await client.unsubscribe("plain:a")
    await node.publish("plain:a", b"1")

    assert reply is not None
    assert reply.unsubscribe is not None
    assert client.received_data() == []
    assert len(node.hub) == 0


async def test_leaving_a_topic_that_one_is_not_in_is_no_error() -> None:
    reply = await (await ManualNode(*ALL).connect()).unsubscribe("plain:a")

    assert reply is not None
    assert reply.error is None


async def test_subscribing_again_in_the_tick_of_a_publication_does_not_double_it() -> None:
    node = ManualNode(*ALL)
    client = await node.connect()
    await client.subscribe("stream:a")
    await node.publisher.publish("stream:a", b"1")

    await client.unsubscribe("stream:a")
    result = subscribed(await client.subscribe("stream:a", recover=True, epoch="epoch1", offset=1))
    node.scheduler.run()

    assert (client.received_data(), result.publications) == ([b"1"], [])


async def test_hooks_are_told_of_every_beginning_and_end() -> None:
    told: list[tuple[str, str, str]] = []

    def on_subscribe(caller: Caller, topic: TopicName) -> None:
        told.append(("subscribed", caller.user, topic.text))

    async def on_unsubscribe(caller: Caller, topic: TopicName) -> None:
        told.append(("unsubscribed", caller.user, topic.text))

    node = ManualNode(
        Namespace(
            name="",
            allow_subscribe_for_client=True,
            on_subscribe=on_subscribe,
            on_unsubscribe=on_unsubscribe,
        ),
        limits=Limits(max_topics_per_connection=2),
    )
    client = await node.connect("42")
    for topic in ("a", "b", "refused"):
        await client.subscribe(topic)
    await client.unsubscribe("a")
    await client.leave()

    assert told == [
        ("subscribed", "42", "a"),
        ("subscribed", "42", "b"),
        ("unsubscribed", "42", "a"),
        ("unsubscribed", "42", "b"),
    ]
