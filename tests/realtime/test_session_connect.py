"""Connecting: who gets in, what the reply says, and what the server subscribes a client to."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest

from realtime.errors import CloseCode
from realtime.keys.remote import RemoteKeys
from realtime.limits import Limits
from realtime.messages import (
    REJECTS_UNRECOVERED,
    Command,
    ConnectRequest,
    PublishRequest,
    SubscribeRequest,
)
from realtime.testing import ManualNode
from realtime.testing.node import SECRET
from realtime.tokens import TokenVerifier
from realtime.topics.namespace import Namespace
from tests.realtime.keys.pairs import rsa_key, sign
from tests.realtime.replies import connected, error_of, offsets

PLAIN = Namespace(name="")
NEWS = Namespace(name="news", history_size=3, history_ttl=60, force_recovery=True)
CHAT = Namespace(
    name="chat",
    presence=True,
    join_leave=True,
    force_push_join_leave=True,
    allow_presence_for_subscriber=True,
)


def token(node: ManualNode, **claims: Any) -> str:
    return jwt.encode({"sub": "42", **claims}, SECRET, algorithm="HS256")


# ── Who gets in ───────────────────────────────────────────────────────────────────────────────


async def test_the_reply_says_who_one_is_and_how_the_server_pings() -> None:
    node = ManualNode(limits=Limits(ping_interval_seconds=20))
    client = node.open()

    result = connected(await client.connect(node.token("42")))

    assert (result.client, result.version) == ("client1", "test")
    assert (result.ping, result.pong) == (20, True)
    assert (result.expires, result.ttl) == (True, 3600)
    assert result.subs == {}


async def test_a_client_need_not_answer_pings_where_nobody_waits_for_pongs() -> None:
    node = ManualNode(limits=Limits(pong_timeout_seconds=0))

    assert connected(await node.open().connect(node.token("42"))).pong is False


async def test_the_caller_is_who_the_token_says() -> None:
    node = ManualNode()
    client = node.open()

    await client.connect(node.token("42", info={"name": "Alice"}))

    assert (client.session.caller.user, client.session.caller.client) == ("42", "client1")
    assert json.loads(client.session.caller.info or b"") == {"name": "Alice"}
    assert node.sessions.of_user("42") == [client.session]


async def test_a_token_without_an_end_gives_a_connection_without_one() -> None:
    node = ManualNode()

    result = connected(await node.open().connect(token(node)))

    assert (result.expires, result.ttl) == (False, 0)


async def test_without_a_token_one_is_unauthorized() -> None:
    client = ManualNode().open()

    assert error_of(await client.connect()) == 101
    assert client.close_code is None


@pytest.mark.parametrize("options", [{"allows_anonymous": True}, {"is_insecure": True}])
async def test_where_it_is_allowed_a_client_without_a_token_is_anonymous(options: dict[str, Any]) -> None:
    client = ManualNode(**options).open()

    connected(await client.connect())

    assert client.session.caller.is_anonymous


async def test_an_expired_token_may_be_followed_by_a_new_one() -> None:
    node = ManualNode()
    client, old = node.open(), node.token("42", ttl_seconds=60)
    node.clock.advance(61)

    assert error_of(await client.connect(old)) == 109
    assert client.close_code is None
    connected(await client.connect(node.token("42")))


@pytest.mark.parametrize("options", [{}, {"allows_anonymous": True}, {"is_insecure": True}])
async def test_a_bad_token_closes_the_connection(options: dict[str, Any]) -> None:
    client = ManualNode(**options).open()

    assert await client.connect("bad") is None
    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_info_that_is_no_base64_makes_the_token_bad() -> None:
    node = ManualNode()
    client = node.open()

    await client.connect(token(node, b64info="*"))

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_a_subscription_token_connects_nobody() -> None:
    node = ManualNode()
    client = node.open()

    await client.connect(node.tokens.subscription(user="42", topic="news:a", ttl_seconds=60))

    assert client.close_code is CloseCode.INVALID_TOKEN


@pytest.mark.parametrize(
    "command",
    [
        Command(id=1, publish=PublishRequest(channel="chat:a")),
        Command(id=1, subscribe=SubscribeRequest(channel="chat:a")),
        Command(id=1),
        Command(connect=ConnectRequest()),
    ],
)
async def test_a_command_before_connect_closes_the_connection(command: Command) -> None:
    client = ManualNode(CHAT, is_insecure=True).open()

    assert await client.handle(command) is None
    assert client.close_code is CloseCode.BAD_REQUEST


async def test_a_pong_before_connect_closes_the_connection() -> None:
    client = ManualNode().open()

    client.session.pong()

    assert client.close_code is CloseCode.BAD_REQUEST


async def test_connecting_twice_closes_the_connection() -> None:
    node = ManualNode()
    client = await node.connect()

    await client.connect(node.token("42"))

    assert client.close_code is CloseCode.BAD_REQUEST


async def test_a_command_without_an_id_closes_the_connection() -> None:
    client = await ManualNode(CHAT).connect()

    await client.handle(Command(subscribe=SubscribeRequest(channel="chat:a")))

    assert client.close_code is CloseCode.BAD_REQUEST


# ── Limits ────────────────────────────────────────────────────────────────────────────────────


async def test_a_node_refuses_more_connections_than_it_may_have() -> None:
    node = ManualNode(limits=Limits(max_connections=1))
    first = await node.connect()

    second = node.open()

    assert second.close_code is CloseCode.CONNECTION_LIMIT
    await second.leave()
    await first.leave()
    assert node.count_left_behind() == {}


async def test_a_user_is_refused_more_connections_than_allowed() -> None:
    node = ManualNode(limits=Limits(max_connections_per_user=1))
    await node.connect("42")

    second, other = await node.connect("42"), await node.connect("43")

    assert second.close_code is CloseCode.CONNECTION_LIMIT
    assert other.close_code is None


# ── What the server subscribes to ─────────────────────────────────────────────────────────────


async def test_the_tokens_topics_are_subscribed_and_their_publications_come() -> None:
    node = ManualNode(NEWS, CHAT)
    client = node.open()

    result = connected(
        await client.connect(node.token("42", topics=("news:a", "chat:lobby"))),
    )
    await node.publish("news:a", b"1")

    assert set(result.subs) == {"news:a", "chat:lobby"}
    assert (result.subs["news:a"].recoverable, result.subs["news:a"].positioned) == (True, True)
    assert result.subs["chat:lobby"].recoverable is False
    assert client.received_data() == [b"1"]
    assert set(await node.presence.members("chat:lobby")) == {client.id}


async def test_the_tokens_subs_carry_data_info_and_overrides() -> None:
    node = ManualNode(CHAT)
    subs = {"chat:lobby": {"data": {"a": 1}, "info": {"b": 2}, "override": {"presence": {"value": False}}}}
    client = node.open()

    result = connected(await client.connect(token(node, subs=subs)))

    assert json.loads(bytes(result.subs["chat:lobby"].data)) == {"a": 1}
    node.scheduler.run()
    [joined] = [push.join for push in client.pushes if push.join is not None]
    assert json.loads(bytes(joined.info.chan_info)) == {"b": 2}
    assert await node.presence.members("chat:lobby") == {}


async def test_the_personal_topic_is_subscribed_where_the_settings_say_so() -> None:
    node = ManualNode(PLAIN, subscribes_to_personal_topic=True, allows_anonymous=True)
    client, stranger = node.open(), node.open()

    result = connected(await client.connect(node.token("42")))
    await node.publish("#42", b"1")

    assert set(result.subs) == {"#42"}
    assert client.received_data() == [b"1"]
    assert connected(await stranger.connect()).subs == {}


async def test_a_client_cannot_leave_what_the_server_subscribed_it_to() -> None:
    node = ManualNode(NEWS)
    client = node.open()
    await client.connect(node.token("42", topics=("news:a",)))

    assert error_of(await client.unsubscribe("news:a")) == 107
    assert error_of(await client.subscribe("news:a")) == 105


async def test_server_side_topics_recover_by_what_connect_says_of_them() -> None:
    node = ManualNode(NEWS)
    first = node.open()
    before = connected(await first.connect(node.token("42", topics=("news:a", "news:b")))).subs["news:a"]
    await first.leave()
    await node.publish("news:a", b"1")
    await node.publish("news:a", b"2")

    asked = SubscribeRequest(recover=True, epoch=before.epoch, offset=before.offset)
    client = node.open()
    result = connected(
        await client.connect(node.token("42", topics=("news:a", "news:b")), subs={"news:a": asked})
    )

    recovered, other = result.subs["news:a"], result.subs["news:b"]
    assert (recovered.recovered, recovered.was_recovering) == (True, True)
    assert (recovered.offset, offsets(recovered.publications)) == (0, [1, 2])
    assert (other.recovered, other.was_recovering) == (False, False)
    await node.publish("news:a", b"3")
    assert client.received_data() == [b"3"]


async def test_topics_that_connect_asks_for_beside_the_servers_are_not_opened() -> None:
    node = ManualNode(NEWS)

    result = connected(
        await node.open().connect(node.token("42"), subs={"news:a": SubscribeRequest(recover=True)})
    )

    assert result.subs == {}
    assert len(node.hub) == 0


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"channels": ["unknown:a"]}, 102),
        ({"channels": ["news:a", "b ad"]}, 107),
        ({"channels": [f"news:{number}" for number in range(4)]}, 106),
        ({"subs": {"news:a": {"override": {"history_size": {"value": True}}}}}, 103),
    ],
)
async def test_a_connect_that_fails_leaves_nothing_behind_and_may_be_repeated(
    claims: dict[str, Any], code: int
) -> None:
    node = ManualNode(NEWS, limits=Limits(max_topics_per_connection=3))
    client = node.open()

    assert error_of(await client.connect(token(node, **claims))) == code

    assert len(node.hub) == 0
    assert client.session.topics == []
    connected(await client.connect(node.token("42")))
    await client.leave()
    assert node.count_left_behind() == {}


async def test_a_server_side_topic_may_refuse_to_start_unrecovered() -> None:
    node = ManualNode(NEWS)
    asked = SubscribeRequest(recover=True, epoch="other", offset=5, flag=REJECTS_UNRECOVERED)

    reply = await node.open().connect(node.token("42", topics=("news:a",)), subs={"news:a": asked})

    assert error_of(reply) == 112
    assert len(node.hub) == 0


# ── Refresh ───────────────────────────────────────────────────────────────────────────────────


async def test_a_refresh_without_a_token_is_unauthorized() -> None:
    client = await ManualNode().connect()

    assert error_of(await client.refresh("")) == 101


async def test_a_refresh_with_an_expired_token_may_be_repeated() -> None:
    node = ManualNode()
    client, old = await node.connect(), node.token("42", ttl_seconds=1)
    node.clock.advance(2)

    assert error_of(await client.refresh(old)) == 109
    assert client.close_code is None


@pytest.mark.parametrize("user", ["43", ""])
async def test_a_refresh_with_the_token_of_another_closes_the_connection(user: str) -> None:
    node = ManualNode()
    client = await node.connect("42")

    await client.refresh(node.token(user))

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_a_refresh_with_a_bad_token_closes_the_connection() -> None:
    client = await ManualNode().connect()

    await client.refresh("bad")

    assert client.close_code is CloseCode.INVALID_TOKEN


# ── Keys of a provider ────────────────────────────────────────────────────────────────────────


async def test_while_a_provider_s_keys_cannot_be_had_a_client_may_try_again() -> None:
    node = ManualNode(PLAIN)

    async def fail() -> bytes:
        raise OSError("away")

    keys = RemoteKeys(fetch=fail, clock=node.clock, spawn=asyncio.ensure_future)
    away = TokenVerifier(secret=SECRET, clock=node.unix_now, remote_keys=keys)
    node.node = replace(node.node, tokens=away)
    client = node.open()

    reply = await client.connect(sign(rsa_key(), "RS256", kid="a"))

    assert reply is not None
    assert reply.error is not None
    assert (reply.error.code, reply.error.temporary) == (100, True)
    assert client.close_code is None
    connected(await client.connect(node.token("42")))
    assert error_of(await client.subscribe("a", token=sign(rsa_key(), "RS256", kid="a", channel="a"))) == 100
