"""Waiting for a condition, with an end: what a test does instead of sleeping."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 20
LOOK_EVERY_SECONDS = 0.01


async def until(condition: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Returns once `condition()` is true. Raises TimeoutError where it does not become so in time."""
    async with asyncio.timeout(patience_seconds):
        while not condition():  # noqa: ASYNC110  # Other processes set no events of ours.
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def wait_until(condition: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """The same for tests that are not async."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience_seconds} s")
        time.sleep(LOOK_EVERY_SECONDS)
