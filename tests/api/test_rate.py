"""HTTP requests over a rate: by address, by account and by API key, each with the time to wait."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from api import key_rows
from realtime import runtime as runtime_module
from realtime.conf import parse_settings
from realtime.layers.memory import MemoryTopicLayer
from realtime.runtime import Runtime
from tests.accounts import browser_of, make_user
from tests.api.answers import error_code
from tests.api.server.calls import post

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "a key of this test"
Limit = Callable[..., None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limit]:
    """limit(RATE_…="1/h:2"): from now on, by an engine of the test's own."""
    runtimes: list[Runtime] = []

    def limit(**rates: str) -> None:
        runtime = Runtime(
            parse_settings({**settings.REALTIME, "API_KEYS": [KEY], **rates}), MemoryTopicLayer()
        )
        runtimes.append(runtime)
        monkeypatch.setattr(runtime_module, "_runtime", runtime)
        monkeypatch.setattr(key_rows, "_table", None)

    yield limit
    for runtime in runtimes:
        runtime._hook_threads.stop()


def check(answers: list[Any]) -> None:
    """Two that passed, and one that did not."""
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert error_code(answers[-1], status=429) == "too_many_requests"
    seconds = int(answers[-1].headers["Retry-After"])
    assert 3590 <= seconds <= 3600
    assert f"in {seconds} s" in json.loads(answers[-1].content)["error"]["message"]


def test_an_address_is_held_to_its_rate_and_another_is_not(limit: Limit) -> None:
    limit(RATE_HTTP_PER_IP="1/h:2")
    browser = Client()

    check([browser.get("/api/session") for _ in range(3)])
    assert browser.get("/api/session", REMOTE_ADDR="192.0.2.9").status_code == 200


def test_an_account_is_held_to_its_rate_from_wherever_it_asks(limit: Limit) -> None:
    limit(RATE_HTTP_PER_USER="1/h:2")
    alice, bob = make_user("alice"), make_user("bob")

    check([browser_of(alice).get("/api/chat/rooms", REMOTE_ADDR=f"192.0.2.{number}") for number in range(3)])
    assert browser_of(bob).get("/api/chat/rooms").status_code == 200


async def test_an_api_key_is_held_to_its_rate_and_not_to_its_address(limit: Limit) -> None:
    limit(RATE_HTTP_PER_API_KEY="1/h:2", RATE_HTTP_PER_IP="1/h:1")

    check([await post("info", {}, key=KEY) for _ in range(3)])


async def test_who_tries_api_keys_out_is_held_to_the_rate_of_the_address(limit: Limit) -> None:
    limit(RATE_HTTP_PER_IP="1/h:2")

    answers = [await post("info", {}, key=f"guess {number}") for number in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert error_code(answers[-1], status=429) == "too_many_requests"
    assert (await post("info", {}, key=KEY)).status_code == 200
