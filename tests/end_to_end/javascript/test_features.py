"""What the published JavaScript SDK offers: in Node and Chromium, in JSON and Protobuf, on both servers."""

from typing import Any

import pytest

from tests.end_to_end.javascript.platforms import Platform, Said, run
from tests.servers import Server
from tests.tokens import sign

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALICE = sign(sub="42", info={"name": "Alice"})
BOB = sign(sub="43", info={"name": "Bob"})


def of(said: list[Said], event: str) -> list[dict[str, Any]]:
    """What was said with that name, without the name."""
    return [
        {key: value for key, value in each.items() if key != "event"}
        for each in said
        if each["event"] == event
    ]


async def test_client_connects_as_the_user_of_its_token(server: Server, platform: Platform) -> None:
    connected, disconnected = await run(platform, "connect", url=server.ws, token=ALICE)

    assert connected["caller"] == {"user": "42", "client": connected["client"], "info": {"name": "Alice"}}
    assert disconnected["code"] == 0


async def test_publications_reach_subscribers_in_order_and_say_who_sent_them(
    server: Server, platform: Platform, key: str
) -> None:
    topic = f"news:{key}"
    said = await run(platform, "publish", url=server.ws, token=ALICE, otherToken=BOB, topic=topic)

    texts = ["over the subscription", "over the connection", "in a batch", "last"]
    assert of(said, "publication") == [
        {"channel": topic, "data": {"text": text}, "offset": offset, "user": "42", "name": "Alice"}
        for offset, text in enumerate(texts, start=1)
    ]


async def test_history_is_read_in_pages_from_both_ends(server: Server, platform: Platform, key: str) -> None:
    said = await run(platform, "history", url=server.ws, token=ALICE, topic=f"news:{key}")

    assert said == [
        {"event": "top", "offset": 5, "count": 0},
        {"event": "oldest", "offset": 5, "numbers": [1, 2]},
        {"event": "next", "offset": 5, "numbers": [3, 4]},
        {"event": "newest", "offset": 5, "numbers": [5, 4]},
        {"event": "all", "offset": 5, "numbers": [1, 2, 3, 4, 5]},
        {"event": "after the end", "offset": 5, "numbers": []},
    ]


async def test_presence_counts_every_tab_and_tells_who_comes_and_goes(
    server: Server, platform: Platform, key: str
) -> None:
    said = await run(platform, "presence", url=server.ws, token=ALICE, otherToken=BOB, topic=f"room:{key}")

    assert of(said, "joined") == [{"users": ["42", "42", "43"]}]
    with_bob, without_bob = of(said, "present")
    assert sorted(with_bob["users"]) == [["42", "Alice"], ["42", "Alice"], ["43", "Bob"]]
    assert with_bob["stats"] == {"numClients": 3, "numUsers": 2}
    assert of(said, "left") == [{"user": "43"}]
    assert without_bob["users"] == [["42", "Alice"], ["42", "Alice"]]
    assert without_bob["stats"] == {"numClients": 2, "numUsers": 1}


async def test_calls_are_answered_and_errors_have_their_numbers(server: Server, platform: Platform) -> None:
    answer, refused, sent, message = await run(platform, "call", url=server.ws, token=ALICE)

    assert answer["data"] == {"sum": 42}
    codes = {name: error["code"] for name, error in refused.items() if name != "event"}
    assert codes == {"unknown": 104, "misfit": 107, "denied": 103, "crashed": 100}
    assert sent["received"] == [{"note": "no answer needed"}]
    assert message["data"] == {"note": "from the server"}


async def test_server_subscribes_and_unsubscribes_its_clients(
    server: Server, platform: Platform, key: str
) -> None:
    topic, later_topic = f"news:{key}", f"plain:{key}"
    said = await run(
        platform,
        "server_side",
        url=server.ws,
        token=sign(sub="42", channels=[topic]),
        otherToken=BOB,
        topic=topic,
        laterTopic=later_topic,
    )

    assert said == [
        {"event": "subscribed", "channel": topic, "recoverable": True},
        {"event": "publication", "channel": topic, "data": {"text": "by the token"}},
        {"event": "subscribed", "channel": later_topic, "recoverable": False},
        {"event": "publication", "channel": later_topic, "data": {"text": "while connected"}},
        {"event": "unsubscribed", "channel": later_topic},
    ]


# Expiry takes its seconds: once for each codec and server is enough.
@pytest.mark.parametrize("platform", ["node-json", "chromium-protobuf"], indirect=True)
async def test_client_that_renews_its_token_outlives_the_old_one(server: Server, platform: Platform) -> None:
    said = await run(
        platform,
        "refresh",
        url=server.ws,
        # Enough for both clients to connect, on a busy machine too.
        token=sign(sub="42", ttl_seconds=4),
        nextToken=sign(sub="42"),
    )

    assert of(said, "expired") == [{"code": 3005}]
    assert of(said, "renewed") == [{"asked": 1, "events": [], "user": "42"}]


async def test_refusals_have_the_numbers_that_the_sdk_reacts_to(server: Server, platform: Platform) -> None:
    closed, unknown = "closed:door", "nowhere:to-be-found"
    said = await run(
        platform,
        "refused",
        url=server.ws,
        token=ALICE,
        badToken=f"{ALICE[:-4]}xxxx",
        topics=[closed, unknown],
    )

    assert of(said, "bad token") == [{"code": 3500, "reason": "invalid token"}]
    codes = {
        event: {each["topic"]: each["code"] for each in of(said, event)}
        for event in ("subscribe", "publish", "history", "presence")
    }
    assert codes == {
        "subscribe": {closed: 103, unknown: 102},
        "publish": {closed: 103, unknown: 102},
        # Its namespace keeps neither for anybody.
        "history": {closed: 108, unknown: 102},
        "presence": {closed: 108, unknown: 102},
    }


async def test_client_that_lost_its_position_comes_back_by_itself(
    server: Server, platform: Platform, key: str
) -> None:
    subscribed, publication = await run(
        platform, "resubscribe", url=server.ws, token=ALICE, topic=f"news:{key}"
    )

    assert subscribed["wasRecovering"]
    assert publication["data"] == {"number": 2}
