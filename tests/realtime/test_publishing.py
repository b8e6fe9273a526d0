"""The one way in for a publication: what is checked, and what the layer is asked to keep."""

import pytest
from msgspec import Raw

from realtime.errors import CommandError, ErrorCode
from realtime.layers.base import HistoryPolicy
from realtime.messages import ClientInfo, Position
from realtime.publishing import history_policy
from realtime.testing import ManualNode
from realtime.testing.node import UNIX_START
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace

PLAIN = Namespace(name="plain")
KEPT = Namespace(name="kept", history_size=5, history_ttl=60, history_meta_ttl=600)


async def refusal_of(node: ManualNode, topic: str, data: bytes) -> ErrorCode:
    with pytest.raises(CommandError) as caught:
        await node.publisher.publish(topic, data)
    return caught.value.code


async def test_a_publication_keeps_its_data_info_tags_and_time() -> None:
    node, info = ManualNode(KEPT), ClientInfo(user="alice")
    node.clock.advance(1.5)

    published = await node.publisher.publish("kept:a", b"\x00\xff", info=info, tags={"a": "b"})

    policy = HistoryPolicy(size=5, ttl_seconds=60)
    [held] = (await node.layer.history("kept:a", policy=policy)).publications
    assert published.position == Position(1, "epoch1")
    assert (held.data, held.info, held.tags) == (Raw(b"\x00\xff"), info, {"a": "b"})
    assert held.time == UNIX_START * 1000 + 1500


async def test_a_topic_may_be_given_by_text_or_by_name() -> None:
    node = ManualNode(KEPT)

    await node.publisher.publish("kept:a", b"1")

    assert (await node.publisher.publish(TopicName.parse("kept:a"), b"2")).position.offset == 2


async def test_the_same_key_publishes_once() -> None:
    node = ManualNode(KEPT)
    first = await node.publisher.publish("kept:a", b"1", idempotency_key="a")

    again = await node.publisher.publish("kept:a", b"1", idempotency_key="a")

    assert again.is_repeat
    assert again.position == first.position


@pytest.mark.parametrize(
    ("topic", "data", "code"),
    [
        ("unknown:a", b"1", ErrorCode.UNKNOWN_TOPIC),
        ("", b"1", ErrorCode.BAD_REQUEST),
        ("kept:a b", b"1", ErrorCode.BAD_REQUEST),
        ("kept:a", b"", ErrorCode.BAD_REQUEST),
        ("kept:a", b"12345678901", ErrorCode.LIMIT_EXCEEDED),
    ],
)
async def test_what_cannot_be_published_is_refused(topic: str, data: bytes, code: ErrorCode) -> None:
    assert await refusal_of(ManualNode(KEPT, max_publication_bytes=10), topic, data) is code


async def test_the_largest_publication_allowed_is_published() -> None:
    node = ManualNode(KEPT, max_publication_bytes=10)

    assert (await node.publisher.publish("kept:a", b"1234567890")).position.offset == 1


def test_a_namespace_says_what_the_layer_keeps() -> None:
    assert history_policy(KEPT) == HistoryPolicy(size=5, ttl_seconds=60, meta_ttl_seconds=600)
    assert history_policy(PLAIN) is None
