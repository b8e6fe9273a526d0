"""Clients come and go, with new topics each time: servers and Redis hold no more than at first.

The long form: make soak.
"""

import sys
from collections.abc import Callable

import pytest

from tests.end_to_end.churn import SETTINGS, Churn
from tests.raw_client import connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import until

WAVES, EACH = 8, 60
# A client or topic that stayed would take some 10 KB, so that those of all waves would take more.
MOST_GROWTH_BYTES = 2**20


@pytest.fixture
def churn(make_redis: Callable[..., RedisServer], start_server: Callable[..., Server]) -> Churn:
    """The servers end before their Redis does."""
    redis = make_redis()
    env = {"REDIS_URL": redis.url}
    return Churn([start_server(settings=SETTINGS, env=env) for _ in range(2)], redis)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
async def test_nothing_is_left_behind_by_churn(
    churn: Churn, record_property: Callable[[str, object], None]
) -> None:
    before = churn.look()
    assert before.keys_without_end == 0
    memory = []

    # The first time memory grows to what a wave takes.
    for _ in range(3):
        for _ in range(WAVES):
            await churn.wave(EACH)
        await until(lambda: churn.look() == before)
        memory.append(churn.measure())

    text = f"visits {churn.visits}  topics {churn.topics}  {' -> '.join(map(str, memory))}"
    record_property("memory", text)
    sys.stdout.write(f"{text}\n")
    for early, late in zip(memory[1].servers, memory[2].servers, strict=True):
        assert late - early < MOST_GROWTH_BYTES


async def test_what_is_held_shows(churn: Churn) -> None:
    """What the test above relies on."""
    before = churn.look()
    async with connected_client(churn.servers[0].ws) as client:
        for topic in ("log:1", "room:1", "plain:1"):
            await client.subscribe(topic)
            await client.call(publish={"channel": topic, "data": {"n": 1}})

        held = churn.look()

    growth = {name: count - before.counts[0][name] for name, count in held.counts[0].items()}
    assert growth.pop("tasks") > 0
    assert growth == {
        "sessions": 1, "users": 1, "topics": 3, "subscriptions": 3, "channels": 3, "present": 1,
    }  # fmt: skip
    assert held.counts[1] == before.counts[1]
    assert held.pubsub_channels == before.pubsub_channels + 3
    # A log and what is known of it; who is in the room, and of which users, until nobody is.
    assert held.keys == before.keys + 4
    assert held.keys_without_end == 2
