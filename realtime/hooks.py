"""Calls the project's functions: async ones on the loop, plain ones in a bounded pool of threads."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class RunBlocking(Protocol):
    """Runs a plain function in a thread that may block and use the ORM; gives back its result."""

    def __call__(self, function: Callable[..., Any], *args: object) -> Awaitable[Any]: ...


class Hooks:
    """A slow plain hook keeps a thread of the pool busy, never the loop and never another client's socket."""

    def __init__(self, *, run_blocking: RunBlocking) -> None:
        self._run_blocking = run_blocking

    async def call(self, hook: Callable[..., Any], *args: object) -> Any:
        """Raises what the hook raises."""
        if inspect.iscoroutinefunction(hook):
            return await hook(*args)
        result = await self._run_blocking(hook, *args)
        # A plain function may hand back a coroutine: a lambda or a partial around an async one.
        return await result if inspect.isawaitable(result) else result
