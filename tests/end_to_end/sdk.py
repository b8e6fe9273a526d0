"""What the published Python SDK leaves to its user."""

import asyncio

from centrifuge import Client


async def end(client: Client) -> None:
    """Disconnects, and waits for the socket to be closed: the SDK does that in a task of its own."""
    await client.disconnect()
    if client._background_tasks:
        await asyncio.wait(client._background_tasks)
