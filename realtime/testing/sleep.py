"""A sleep that ends when the test says so: `asyncio.sleep` on a ManualClock."""

import asyncio

from realtime.testing.clock import ManualClock


class ManualSleep:
    """Await it to sleep. Whoever has advanced the clock calls wake()."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        """Who sleeps now."""
        return sum(not future.done() for _, future in self._sleepers)

    async def __call__(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._clock() + seconds, future))
        await future

    def wake(self) -> None:
        """Ends the sleeps whose time has come."""
        now = self._clock()
        due = [future for wake_at, future in self._sleepers if wake_at <= now]
        self._sleepers = [each for each in self._sleepers if each[0] > now]
        for future in due:
            if not future.done():
                future.set_result(None)
