"""Where the project's functions run: async ones on the loop, plain ones in a bounded pool."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

import pytest

from realtime.conf import Settings
from realtime.hooks import Hooks
from realtime.layers.memory import MemoryTopicLayer
from realtime.runtime import Runtime
from realtime.testing.node import run_at_once


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime(Settings(hook_threads=2), MemoryTopicLayer())
    yield runtime
    runtime._hook_threads.stop()


async def test_an_async_hook_runs_on_the_loop(runtime: Runtime) -> None:
    async def hook(number: int) -> tuple[int, threading.Thread]:
        return number, threading.current_thread()

    assert await runtime.node.hooks.call(hook, 5) == (5, threading.current_thread())


async def test_a_plain_hook_runs_in_the_pool(runtime: Runtime) -> None:
    def hook(number: int) -> tuple[int, threading.Thread]:
        return number, threading.current_thread()

    number, thread = await runtime.node.hooks.call(hook, 5)

    assert number == 5
    assert thread is not threading.current_thread()


async def test_no_more_plain_hooks_run_at_a_time_than_the_pool_has_threads(runtime: Runtime) -> None:
    started, may_end = threading.Semaphore(0), threading.Event()
    running: list[int] = []

    def hook() -> int:
        running.append(1)
        started.release()
        may_end.wait()
        return len(running)

    calls = [asyncio.ensure_future(runtime.node.hooks.call(hook)) for _ in range(5)]
    for _ in range(2):
        await asyncio.to_thread(started.acquire)
    at_once = len(running)
    may_end.set()
    await asyncio.gather(*calls)

    assert (at_once, len(running)) == (2, 5)


async def test_a_slow_plain_hook_does_not_hold_up_the_loop(runtime: Runtime) -> None:
    may_end = threading.Event()
    slow = asyncio.ensure_future(runtime.node.hooks.call(may_end.wait))

    async def quick() -> str:
        return "quick"

    assert await runtime.node.hooks.call(quick) == "quick"
    assert not slow.done()
    may_end.set()
    assert await slow is True


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_a_hook_raises_comes_through(runtime: Runtime, is_async: bool) -> None:
    async def fails_on_loop() -> None:
        raise ZeroDivisionError

    def fails_in_pool() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await runtime.node.hooks.call(fails_on_loop if is_async else fails_in_pool)


async def test_a_plain_function_that_hands_back_a_coroutine_is_awaited() -> None:
    async def double(number: int) -> int:
        return 2 * number

    hooks = Hooks(run_blocking=run_at_once)

    def plain(number: int) -> Coroutine[Any, Any, int]:
        return double(number)

    assert await hooks.call(plain, 5) == 10
    assert await hooks.call(partial(double, 5)) == 10
