"""The keys of a provider: when it is asked, and what holds while it does not answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from realtime.keys.remote import MAX_KEYS, KeysUnavailable, RemoteKeys
from realtime.testing.clock import ManualClock
from tests.realtime.keys.pairs import ec_key, jwk, key_set, rsa_key
from tests.waiting import until

A, B = jwk(rsa_key("a"), "a"), jwk(rsa_key("b"), "b")


class Provider:
    """Answers with `answer`, or fails with it; waits for `gate` before."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = key_set(A)
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.clock = ManualClock()
        self.tasks: set[asyncio.Task[None]] = set()
        self.keys = RemoteKeys(
            fetch=self.fetch, clock=self.clock, spawn=self.spawn, ttl_seconds=600, retry_seconds=10
        )

    async def fetch(self) -> bytes:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def test_keys_are_fetched_once_and_kept() -> None:
    provider = Provider()

    await asyncio.gather(*(provider.keys.fetch("a") for _ in range(20)))
    provider.clock.advance(599)
    await provider.keys.fetch("a")

    assert provider.keys.get("a") is not None
    assert provider.asked == 1


async def test_a_new_key_is_found_and_a_withdrawn_one_is_gone() -> None:
    provider = Provider()
    await provider.keys.fetch("a")
    provider.answer = key_set(B)
    provider.clock.advance(10)

    await provider.keys.fetch("b")

    assert provider.keys.get("b") is not None
    assert provider.keys.get("a") is None


async def test_a_withdrawn_key_is_believed_no_longer_than_the_set_is_kept() -> None:
    provider = Provider()
    await provider.keys.fetch("a")
    provider.answer = key_set(B)
    provider.clock.advance(600)

    await provider.keys.fetch("a")

    assert provider.keys.get("a") is None


async def test_strangers_cannot_have_the_provider_asked_more_often_than_allowed() -> None:
    provider = Provider()
    await provider.keys.fetch("a")

    for number in range(100):
        with pytest.raises(KeysUnavailable):
            await provider.keys.fetch(f"unknown{number}")
    assert provider.asked == 1
    provider.clock.advance(10)
    # Now it is known that there is none of that name.
    await provider.keys.fetch("unknown")

    assert provider.keys.get("unknown") is None
    assert provider.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        OSError("away"),
        TimeoutError("slow"),
        ValueError("more than 262144 bytes"),
        b"",
        b"<html>",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [5]}',
        b'{"keys": [' + b"[" * 100_000,
        key_set({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}),
        key_set(*[A] * (MAX_KEYS + 1)),
    ],
    ids=lambda answer: repr(answer)[:30],
)
async def test_while_the_provider_gives_no_keys_the_last_ones_stay(answer: bytes | Exception) -> None:
    provider = Provider()
    await provider.keys.fetch("a")
    provider.answer = answer
    provider.clock.advance(86_400)

    await provider.keys.fetch("a")

    assert provider.keys.get("a") is not None
    assert provider.asked == 2
    with pytest.raises(KeysUnavailable):
        await provider.keys.fetch("b")
    provider.answer = key_set(B)
    provider.clock.advance(10)
    await provider.keys.fetch("b")
    assert provider.keys.get("b") is not None


async def test_before_the_first_keys_a_token_may_only_be_tried_again() -> None:
    provider = Provider()
    provider.answer = OSError("away")

    with pytest.raises(KeysUnavailable):
        await provider.keys.fetch("a")
    with pytest.raises(KeysUnavailable):
        await provider.keys.fetch("a")

    assert provider.asked == 1


async def test_nobody_waits_for_a_provider_that_failed_the_last_time() -> None:
    provider = Provider()
    await provider.keys.fetch("a")
    provider.answer = OSError("away")
    provider.clock.advance(600)
    await provider.keys.fetch("a")
    provider.clock.advance(10)
    provider.gate.clear()

    async with asyncio.timeout(5):
        await provider.keys.fetch("a")

    assert provider.keys.get("a") is not None
    provider.answer = key_set(B)
    provider.gate.set()
    await asyncio.gather(*provider.tasks)
    assert (provider.asked, provider.keys.get("a")) == (3, None)


async def test_a_client_that_leaves_does_not_take_the_answer_from_the_others() -> None:
    provider = Provider()
    provider.gate.clear()
    leaving, staying = [asyncio.ensure_future(provider.keys.fetch("a")) for _ in range(2)]
    await asyncio.sleep(0)

    leaving.cancel()
    provider.gate.set()
    await staying

    assert provider.keys.get("a") is not None
    assert provider.asked == 1


async def test_who_waits_is_told_when_the_fetch_is_cancelled() -> None:
    provider = Provider()
    provider.gate.clear()
    waiting = asyncio.ensure_future(provider.keys.fetch("a"))
    await until(lambda: provider.asked == 1)

    for task in list(provider.tasks):
        task.cancel()

    with pytest.raises(KeysUnavailable):
        await waiting


async def test_keys_that_cannot_be_used_are_passed_over_and_the_first_of_two_counts() -> None:
    provider = Provider()
    provider.answer = key_set({"kty": "oct", "kid": "c"}, A, jwk(ec_key(), "a"))

    await provider.keys.fetch("a")

    key = provider.keys.get("a")
    assert key is not None
    assert "RS256" in key.algorithms
    assert provider.keys.get("c") is None
