"""Clients of the published Python SDK, and what it leaves to its user."""

import asyncio
import json

from centrifuge import Client, PublicationContext, SubscribedContext
from centrifuge.handlers import SubscriptionEventHandler

from tests.tokens import sign


async def end(client: Client) -> None:
    """Disconnects, and waits for the socket to be closed: the SDK does that in a task of its own."""
    await client.disconnect()
    if client._background_tasks:
        await asyncio.wait(client._background_tasks)


class Follower(SubscriptionEventHandler):  # type: ignore[misc]  # The SDK ships no types.
    """One SDK client with one subscription, and the numbers that it received."""

    def __init__(self, url: str, topic: str, *, use_protobuf: bool) -> None:
        self.received: list[int] = []
        self.is_subscribed = asyncio.Event()
        self.recoveries = 0
        self.unrecovered = 0
        self.client = Client(
            url,
            token=sign(sub="42"),
            use_protobuf=use_protobuf,
            # Come back at once: there is much to do in little time.
            min_reconnect_delay=0.001,
            max_reconnect_delay=0.05,
            proxy=None,
        )
        self._subscription = self.client.new_subscription(topic, events=self, min_resubscribe_delay=0.001)

    async def start(self) -> None:
        await self.client.connect()
        await self._subscription.subscribe()

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.is_subscribed.set()
        if ctx.was_recovering:
            self.recoveries += ctx.recovered
            self.unrecovered += not ctx.recovered

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self.received.append((json.loads(data) if isinstance(data, bytes) else data)["n"])
