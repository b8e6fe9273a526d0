"""Has the hub listen to a topic from start() to stop(), however long the layer is away at first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from realtime.errors import LayerUnavailable
from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy
from realtime.subscriber import Listener

logger = logging.getLogger(__name__)

# How long after a failure it is tried again: soon at first, then as often as costs nothing. What is
# published meanwhile is not heard, so it is no longer than it must be.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0


class Listening:
    """Owns one task: it makes the hub listen, then runs `then()`, which may go on until stop().

    What was published before is not heard; from there on the hub sees to it that nothing is missed,
    also when the layer was away. `history`: what the topic's log keeps, None where it has none.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        topic: str,
        listener: Listener,
        history: HistoryPolicy | None,
        then: Callable[[], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._topic = topic
        self._listener = listener
        self._history = history
        self._then = then
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False

    @property
    def is_started(self) -> bool:
        return self._task is not None

    def start(self) -> None:
        """On the running loop; once."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Nothing is heard any more when this returns. Does nothing where it was not started."""
        task, self._task = self._task, None
        if task is None:
            return
        self.is_listening = False
        task.cancel()
        await asyncio.wait([task])
        await self._hub.unlisten(self._topic, self._listener)

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not await self._try():
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.is_listening = True
        await self._then()

    async def _try(self) -> bool:
        try:
            await self._hub.listen(self._topic, self._listener, history=self._history)
        except LayerUnavailable as error:
            logger.info("the layer is away: not listening yet (%s)", error, extra={"topic": self._topic})
            return False
        except Exception:  # A layer may fail in its own ways, and this must outlive them all.
            logger.exception("listening failed", extra={"topic": self._topic})
            return False
        return True
