"""Many clients of the published Python SDK over a line that breaks: nothing lost, doubled or out of order."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.faults import Faults
from tests.end_to_end.proxy import CuttingProxy
from tests.end_to_end.sdk import Follower, end
from tests.servers import Server
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
CLIENTS = 50
CUTS = 200
AT_LEAST = 500
ROUND = 10


async def publish_while(is_going: Callable[[], bool], server: Server, topic: str) -> int:
    """Publishes numbers without a break, and gives their count."""
    count = 0
    while is_going() or count < AT_LEAST:
        path = f"/probe/publish?topic={topic}&first={count}&count={ROUND}"
        assert await asyncio.to_thread(server.fetch_status, path) == 204
        count += ROUND
    return count


@pytest.mark.timeout(150)
@pytest.mark.parametrize("kind", ["serve", "daphne"])
async def test_fifty_sdk_clients_survive_cuts_while_messages_flow(
    kind: str, start_server: Callable[..., Server], record_property: Callable[[str, object], None]
) -> None:
    server = start_server(kind, settings=SETTINGS)
    before = server.fetch_json("/probe/counts")
    rng = random.Random(random.getrandbits(64))  # noqa: S311  # Repeatable by the run's seed.
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CuttingProxy(server.port, cuts=CUTS, rng=rng))
        followers = [Follower(proxy.ws, "long:cut", use_protobuf=index % 2 == 1) for index in range(CLIENTS)]
        for follower in followers:
            await follower.start()
            stack.push_async_callback(end, follower.client)
        # Whoever subscribes for the first time sees what comes from then on.
        async with asyncio.timeout(60):
            for follower in followers:
                await follower.is_subscribed.wait()
        cutting = asyncio.create_task(proxy.wait_for_cuts())
        async with asyncio.timeout(90):
            published = await publish_while(lambda: not cutting.done(), server, "long:cut")
        await cutting
        await until(
            lambda: all(follower.received[-1:] == [published - 1] for follower in followers),
            patience_seconds=30,
        )

    faults = sum((Faults.of(follower.received, published=published) for follower in followers), Faults())
    record_property("published", published)
    record_property("recoveries", sum(follower.recoveries for follower in followers))
    record_property("faults", str(faults))
    assert faults == Faults(lost=0, doubled=0, reordered=0)
    assert sum(follower.unrecovered for follower in followers) == 0
    assert sum(follower.recoveries for follower in followers) > 0
    # And of all those connections, half of which were lost without a word, nothing is left.
    await until(lambda: server.fetch_json("/probe/counts") == before)
