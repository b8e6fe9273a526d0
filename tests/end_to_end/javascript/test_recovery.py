"""The published JavaScript SDK over a line that breaks: nothing lost, nothing twice, all in order."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.end_to_end.javascript.platforms import PATIENCE_SECONDS, Node, Platform
from tests.end_to_end.proxy import CuttingProxy
from tests.servers import Server
from tests.tokens import sign

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENTS = 3
CUTS = 30
AT_LEAST = 2_000


@dataclass(frozen=True, slots=True)
class Faults:
    """How what arrived differs from what was sent."""

    lost: int
    doubled: int
    out_of_order: int

    @classmethod
    def of(cls, received: Sequence[int], *, sent: int) -> "Faults":
        return cls(
            lost=sent - len(set(received)),
            doubled=len(received) - len(set(received)),
            out_of_order=sum(later < earlier for earlier, later in pairwise(received)),
        )


async def test_messages_survive_cuts_of_the_line(server: Server, platform: Platform, key: str) -> None:
    topic = f"stream:{key}"
    rng = random.Random(random.getrandbits(64))  # noqa: S311  # Repeatable by the run's seed.

    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(CuttingProxy(server.port, cuts=CUTS, rng=rng))
        follower = await stack.enter_async_context(
            platform.start("follow", url=proxy.ws, token=sign(sub="42"), topic=topic, clients=CLIENTS)
        )
        for _ in range(CLIENTS):
            await follower.hear("following")
        publisher = await stack.enter_async_context(
            Node("json").start(
                "publish_numbered", url=server.ws, token=sign(sub="43"), topic=topic, atLeast=AT_LEAST
            )
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            await proxy.wait_for_cuts()
        await publisher.tell("stop")
        [published] = await publisher.finish()
        told = await follower.finish()

    followed = [said for said in told if said["event"] == "followed"]
    assert len(followed) == CLIENTS
    for client in followed:
        assert Faults.of(client["received"], sent=published["count"]) == Faults(0, 0, 0)
        assert client["gaps"] == 0
        assert client["offset"] == client["lastOffset"]
    # Cuts that came before a client was connected are no reconnections.
    assert sum(client["connections"] for client in followed) > CLIENTS
    assert sum(client["recoveries"] for client in followed) > 0
