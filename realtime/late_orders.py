"""Orders that the layer could not take: kept here, and sent as soon as it can. In the order of their coming.

They are lost with the process, and beyond MAX_WAITING: what they were to end finds out at its next check.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from realtime.errors import CommandError, LayerUnavailable
from realtime.orders import Order

logger = logging.getLogger(__name__)

# The layer looks for its server about as often.
RETRY_SECONDS = 1.0
# A kilobyte each at most, where each is one sign-out; nobody signs more people out in an outage.
MAX_WAITING = 10_000


class LateOrders:
    """On the loop only. `send` raises LayerUnavailable while the layer is away."""

    def __init__(
        self,
        *,
        send: Callable[[Order], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._send = send
        self._spawn = spawn
        self._sleep = sleep
        self._waiting: deque[Order] = deque()
        self._is_sending = False

    def add(self, order: Order) -> None:
        if len(self._waiting) >= MAX_WAITING:
            logger.error("an order is dropped: too many wait for the layer")
            return
        self._waiting.append(order)
        if not self._is_sending:
            self._is_sending = True
            self._spawn(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._send(self._waiting[0])
                except LayerUnavailable:
                    # It may have been sent all the same; a second time does no harm.
                    await self._sleep(RETRY_SECONDS)
                    continue
                except CommandError:
                    logger.exception("an order that waited for the layer is refused")
                self._waiting.popleft()
        finally:
            self._is_sending = False
