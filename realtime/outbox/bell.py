"""Wakes the relays of this process, from any of its threads, when a transaction has committed."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

# On which a process without a relay notifies those of others, where the database can (PostgreSQL).
CHANNEL = "switchboard_outbox"


@dataclass(frozen=True, slots=True)
class _Hung:
    process_id: int
    loop: asyncio.AbstractEventLoop
    callback: Callable[[], None]

    @property
    def is_in_use(self) -> bool:
        # A forked process inherits it; the loop is not running there, and its wake-up is the parent's.
        return self.process_id == os.getpid() and self.loop.is_running()


class Bell:
    """One for the process, since whoever writes a row need not know who relays it."""

    def __init__(self) -> None:
        self._hung: dict[Callable[[], None], _Hung] = {}

    def hang(self, callback: Callable[[], None]) -> None:
        """From now on `callback` is called on the running loop, soon after each ring()."""
        self._hung[callback] = _Hung(os.getpid(), asyncio.get_running_loop(), callback)

    def remove(self, callback: Callable[[], None]) -> None:
        self._hung.pop(callback, None)

    @property
    def is_heard(self) -> bool:
        """Whether a relay of this process would wake up."""
        return any(hung.is_in_use for hung in tuple(self._hung.values()))

    def ring(self) -> None:
        """In any thread. Never raises: the transaction has committed, and relays look by themselves, too."""
        for hung in tuple(self._hung.values()):
            if not hung.is_in_use:
                continue
            try:
                hung.loop.call_soon_threadsafe(hung.callback)
            except RuntimeError:
                # The loop was closed just now.
                self.remove(hung.callback)


bell = Bell()
