"""Callbacks at a later time, all of them by one task."""

import heapq
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

# The longest sleep: an alarm that is set meanwhile is late by no more than this.
TICK_SECONDS = 0.25


class Alarms:
    """`spawn` runs a coroutine as a task of somebody who ends it; `clock` gives monotonic seconds."""

    def __init__(
        self,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._spawn = spawn
        self._sleep = sleep
        self._clock = clock
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._is_running = False

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Calls `callback`, which must not raise, in `seconds` from now, or a little later."""
        heapq.heappush(self._heap, (self._clock() + seconds, next(self._numbers), callback))
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._heap:
                await self._sleep(min(max(self._heap[0][0] - self._clock(), 0), TICK_SECONDS))
                while self._heap and self._heap[0][0] <= self._clock():
                    heapq.heappop(self._heap)[2]()
        finally:
            self._is_running = False
