"""Callbacks that run when the test says so: the hub's stand-in for an event loop."""

from collections.abc import Callable


class ManualScheduler:
    """Call it to schedule, as `loop.call_soon`."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def __call__(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def __len__(self) -> int:
        """Callbacks that wait."""
        return len(self._callbacks)

    def run_once(self) -> None:
        """One tick: what waits now, not what it schedules."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def run(self) -> None:
        """Ticks until nothing waits."""
        while self._callbacks:
            self.run_once()
