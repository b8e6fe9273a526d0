"""Where a subscription starts: the whole gap or none of it, and never a guess."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from realtime.layers.base import HistoryPolicy
from realtime.layers.memory import MemoryTopicLayer
from realtime.messages import Position, Publication
from realtime.recovery import Start, find_start
from realtime.testing.clock import ManualClock

TOPIC = "chat:lobby"
OFFSETS = st.integers(-2, 12)


async def a_log(*, published: int, size: int) -> tuple[MemoryTopicLayer, HistoryPolicy]:
    layer = MemoryTopicLayer(clock=ManualClock(), new_epoch=lambda: "now")
    policy = HistoryPolicy(size=size, ttl_seconds=60)
    for number in range(1, published + 1):
        await layer.publish(TOPIC, Publication(data=Raw(b"%d" % number)), history=policy)
    return layer, policy


async def test_without_a_wish_to_recover_there_is_only_the_position() -> None:
    layer, policy = await a_log(published=3, size=10)

    start = await find_start(layer, TOPIC, policy=policy, since=None, mode="stream")

    assert start == Start(Position(3, "now"), [], is_recovered=False)


@given(
    published=st.integers(0, 8),
    size=st.integers(1, 8),
    offset=OFFSETS,
    epoch=st.sampled_from(["", "now", "before"]),
)
async def test_a_stream_is_recovered_in_full_or_not_at_all(
    published: int, size: int, offset: int, epoch: str
) -> None:
    layer, policy = await a_log(published=published, size=size)

    start = await find_start(layer, TOPIC, policy=policy, since=Position(offset, epoch), mode="stream")

    first_held = max(published - size, 0) + 1
    can_be = epoch != "before" and first_held - 1 <= offset <= published
    assert start.is_recovered == can_be
    missed = range(offset + 1, published + 1) if can_be else range(0)
    assert [publication.offset for publication in start.publications] == list(missed)
    assert start.top == Position(published, "now")


@given(
    published=st.integers(0, 8),
    size=st.integers(1, 8),
    offset=OFFSETS,
    epoch=st.sampled_from(["", "now", "before"]),
)
async def test_a_cache_gives_the_newest_unless_the_client_has_it(
    published: int, size: int, offset: int, epoch: str
) -> None:
    layer, policy = await a_log(published=published, size=size)

    start = await find_start(layer, TOPIC, policy=policy, since=Position(offset, epoch), mode="cache")

    has_it = published > 0 and (offset, epoch) == (published, "now")
    assert start.is_recovered == (published > 0)
    expected = [published] if published and not has_it else []
    assert [publication.offset for publication in start.publications] == expected


async def test_a_cache_that_has_expired_is_not_recovered() -> None:
    layer, policy = await a_log(published=3, size=10)
    await layer.remove_history(TOPIC)

    start = await find_start(layer, TOPIC, policy=policy, since=Position(1, "now"), mode="cache")

    assert start == Start(Position(3, "now"), [], is_recovered=False)
