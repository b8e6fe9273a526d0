"""The registry of functions that clients call: what is decoded, what is refused."""

from typing import Any

import msgspec
import pytest

from realtime.caller import Caller
from realtime.errors import CommandError, ConfigurationError, ErrorCode
from realtime.hooks import Hooks
from realtime.rpc import MethodRegistry
from realtime.testing.node import run_at_once

ALICE = Caller(user="alice", client="1")
hooks = Hooks(run_blocking=run_at_once)


class Greeting(msgspec.Struct):
    text: str
    loud: bool = False


async def call(registry: MethodRegistry, name: str, data: bytes) -> bytes:
    return await registry.call(hooks, ALICE, name, data)


async def refusal_of(registry: MethodRegistry, name: str, data: bytes) -> ErrorCode:
    with pytest.raises(CommandError) as caught:
        await call(registry, name, data)
    return caught.value.code


async def test_the_annotation_says_what_is_decoded() -> None:
    registry = MethodRegistry()

    @registry.register("greet")
    def greet(caller: Caller, data: Greeting) -> dict[str, Any]:
        return {"said": data.text, "by": caller.user, "loud": data.loud}

    assert await call(registry, "greet", b'{"text":"hi"}') == b'{"said":"hi","by":"alice","loud":false}'


async def test_a_method_may_be_async() -> None:
    registry = MethodRegistry()

    @registry.register("double")
    async def double(caller: Caller, data: int) -> int:
        return 2 * data

    assert await call(registry, "double", b"21") == b"42"


@pytest.mark.parametrize("data", [b"", b"{}", b'{"text":5}', b"[", b'"hi"', b"\xff", b"[" * 100_000])
async def test_data_that_does_not_fit_is_refused_before_the_method_runs(data: bytes) -> None:
    registry, calls = MethodRegistry(), []

    @registry.register("greet")
    def greet(caller: Caller, data: Greeting) -> None:
        calls.append((caller, data))

    assert await refusal_of(registry, "greet", data) is ErrorCode.BAD_REQUEST
    assert calls == []


async def test_bytes_are_handed_over_untouched_both_ways() -> None:
    registry = MethodRegistry()

    @registry.register("echo")
    def echo(caller: Caller, data: bytes) -> bytes:
        return data

    assert await call(registry, "echo", b"\x00 no JSON \xff") == b"\x00 no JSON \xff"


async def test_without_an_annotation_any_json_is_taken_and_no_data_is_null() -> None:
    registry = MethodRegistry()

    @registry.register("echo")
    def echo(caller, data):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # That is the test.
        return [data]

    assert await call(registry, "echo", b'{"a":[1]}') == b'[{"a":[1]}]'
    assert await call(registry, "echo", b"") == b"[null]"


async def test_annotations_that_are_text_are_understood() -> None:
    registry = MethodRegistry()

    @registry.register("double")
    def double(caller: "Caller", data: "int") -> int:
        return 2 * data

    assert await refusal_of(registry, "double", b'"x"') is ErrorCode.BAD_REQUEST


async def test_an_unknown_method_is_not_found() -> None:
    assert await refusal_of(MethodRegistry(), "greet", b"") is ErrorCode.METHOD_NOT_FOUND


def test_a_name_is_taken_once() -> None:
    registry = MethodRegistry()
    registry.register("greet")(lambda caller, data: [caller, data])

    with pytest.raises(ConfigurationError, match="'greet' is registered twice; choose another name"):
        registry.register("greet")


def test_a_method_takes_the_caller_and_its_data() -> None:
    with pytest.raises(ConfigurationError, match=r"takes 1 arguments, expected two: \(caller: Caller, data"):
        MethodRegistry().register("greet")(lambda data: data)


async def test_every_message_handler_gets_what_clients_send() -> None:
    registry, got = MethodRegistry(), []

    @registry.on_message
    def first(caller: Caller, data: dict[str, Any]) -> None:
        got.append((caller.user, data))

    @registry.on_message
    async def second(caller: Caller, data: bytes) -> None:
        got.append((caller.user, {"raw": data}))

    await registry.receive(hooks, ALICE, b'{"a":1}')

    assert got == [("alice", {"a": 1}), ("alice", {"raw": b'{"a":1}'})]
