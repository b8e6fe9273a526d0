"""Named Python functions that clients call over their connection, and handlers for `send`.

    @methods.register("chat.send")
    def send(caller: Caller, data: SendMessage) -> dict: ...

The annotation of `data` says what is accepted: a msgspec Struct, dict, str, bytes (untouched) …
What does not fit is refused with error 107 before the function runs.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from realtime.caller import Caller
from realtime.errors import CommandError, ConfigurationError, ErrorCode
from realtime.hooks import Hooks

F = TypeVar("F", bound=Callable[..., Any])


class _Method:
    """One function with the decoder that its annotation asks for."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        # eval_str: annotations may be text, by `from __future__ import annotations`.
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
        if len(parameters) != 2:
            raise ConfigurationError(
                f"RPC method {name!r}: {function.__qualname__} takes {len(parameters)} arguments, "
                "expected two: (caller: Caller, data: …)."
            )
        annotation = parameters[1].annotation
        self.function = function
        self._wants_bytes = annotation is bytes
        self._decoder = msgspec.json.Decoder(Any if annotation is inspect.Parameter.empty else annotation)

    def decode(self, data: bytes) -> object:
        if self._wants_bytes:
            return data
        try:
            return self._decoder.decode(data or b"null")
        except (msgspec.MsgspecError, RecursionError) as error:
            raise CommandError(ErrorCode.BAD_REQUEST, str(error)) from error


class MethodRegistry:
    """Name → function. Functions are sync (run in the thread pool) or async, and return anything JSON."""

    def __init__(self) -> None:
        self._methods: dict[str, _Method] = {}
        self._message_handlers: list[_Method] = []

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator. Raises ConfigurationError for a name that is taken or a wrong signature."""
        if name in self._methods:
            raise ConfigurationError(f"RPC method {name!r} is registered twice; choose another name.")

        def add(function: F) -> F:
            self._methods[name] = _Method(name, function)
            return function

        return add

    def on_message(self, function: F) -> F:
        """Decorator: `function(caller, data)` gets what clients `send`; its result is not used."""
        self._message_handlers.append(_Method("on_message", function))
        return function

    async def call(self, hooks: Hooks, caller: Caller, name: str, data: bytes) -> bytes:
        """Raises CommandError 104 for an unknown name, 107 for data that does not fit, and what the
        function raises."""
        method = self._methods.get(name)
        if method is None:
            raise CommandError(ErrorCode.METHOD_NOT_FOUND, f"no RPC method {name!r}")
        result = await hooks.call(method.function, caller, method.decode(data))
        return result if isinstance(result, bytes) else msgspec.json.encode(result)

    async def receive(self, hooks: Hooks, caller: Caller, data: bytes) -> None:
        for handler in self._message_handlers:
            await hooks.call(handler.function, caller, handler.decode(data))


# Where features and projects register theirs.
methods = MethodRegistry()
