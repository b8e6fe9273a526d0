"""Orders that the layer could not take are sent when it can, in their order, and only so many of them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from realtime import late_orders
from realtime.errors import CommandError, ErrorCode, LayerUnavailable
from realtime.late_orders import LateOrders
from realtime.orders import EndLogins, Order

ORDERS = [EndLogins(user=f"{number}") for number in range(4)]


class Layer:
    def __init__(self) -> None:
        self.taken: list[Order] = []
        self.is_away = True
        self.tried = asyncio.Event()
        self.back = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.late = LateOrders(send=self.send, spawn=self.spawn, sleep=self.sleep)

    async def send(self, order: Order) -> None:
        self.tried.set()
        if self.is_away:
            raise LayerUnavailable("away")
        if order is ORDERS[1]:
            raise CommandError(ErrorCode.BAD_REQUEST)
        self.taken.append(order)

    async def sleep(self, seconds: float) -> None:
        assert seconds == late_orders.RETRY_SECONDS
        await self.back.wait()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))


async def test_they_are_sent_once_the_layer_is_back() -> None:
    layer = Layer()
    for order in ORDERS:
        layer.late.add(order)
    await layer.tried.wait()
    assert layer.taken == []

    layer.is_away = False
    layer.back.set()
    await asyncio.gather(*layer.tasks)

    # What the layer refuses does not hold up the others.
    assert layer.taken == [ORDERS[0], ORDERS[2], ORDERS[3]]
    layer.late.add(ORDERS[3])
    await asyncio.gather(*layer.tasks)
    assert layer.taken[-1] is ORDERS[3]
    assert len(layer.tasks) == 2


async def test_no_more_wait_than_may(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(late_orders, "MAX_WAITING", 2)
    layer = Layer()

    for order in (ORDERS[0], ORDERS[2], ORDERS[3]):
        layer.late.add(order)
    layer.is_away = False
    await asyncio.gather(*layer.tasks)

    assert layer.taken == [ORDERS[0], ORDERS[2]]
    assert "an order is dropped" in caplog.text
