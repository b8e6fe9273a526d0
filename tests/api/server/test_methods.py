"""POST /api/<method> within one process: what it takes, what it refuses, and how it says so."""

import base64
import json
from typing import Any

import pytest
from django.test import AsyncClient, Client

from api.server.views import VIEWS
from realtime.errors import LayerUnavailable
from realtime.runtime import Runtime
from tests.api.answers import error_code
from tests.api.server.calls import FULL_KEY, call, error, post, result

pytestmark = pytest.mark.usefixtures("engine")


async def history_of(topic: str) -> list[dict[str, Any]]:
    publications: list[dict[str, Any]] = (await result("history", {"channel": topic, "limit": -1}))[
        "publications"
    ]
    return publications


# ── The request ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": FULL_KEY},
        {"Authorization": f"apikey {FULL_KEY}"},
        {"Authorization": f"ApiKey  {FULL_KEY} "},
        {"X-API-Key": FULL_KEY, "Authorization": "Bearer something"},
    ],
)
async def test_a_key_comes_in_a_header(headers: dict[str, str]) -> None:
    answer = await AsyncClient().post("/api/info", b"{}", content_type="application/json", headers=headers)

    assert answer.status_code == 200


async def test_a_key_comes_in_the_address() -> None:
    answer = await AsyncClient().post(f"/api/info?api_key={FULL_KEY}", b"{}", content_type="application/json")

    assert answer.status_code == 200


@pytest.mark.parametrize("method", [*VIEWS])
@pytest.mark.parametrize("key", ["", "no-such-key", FULL_KEY + "x", FULL_KEY[:-1], "\x00", "ÿ" * 100])
async def test_without_a_valid_key_nothing_is_called(method: str, key: str) -> None:
    answer = await post(method, b"not even JSON", key=key)

    assert error_code(answer, status=401) == "invalid_api_key"
    assert answer.headers["WWW-Authenticate"] == "apikey"
    assert key not in answer.content.decode() or not key.strip()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_offered(method: str) -> None:
    answer = await AsyncClient().generic(method, "/api/publish", headers={"X-API-Key": FULL_KEY})

    assert error_code(answer, status=405) == "method_not_allowed"
    assert answer.headers["Allow"] == "POST"


def test_it_answers_through_the_urls_with_no_csrf_token() -> None:
    answer = Client(enforce_csrf_checks=True).post(
        "/api/publish",
        {"channel": "news:a", "data": 1},
        content_type="application/json",
        headers={"X-API-Key": FULL_KEY},
    )

    assert answer.json()["result"]["offset"] == 1


async def test_answers_are_not_kept_anywhere() -> None:
    answer = await post("info", {})

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"channel": "news:a"x',
        b"NaN",
        b'{"channel": "news:a", "data": NaN}',
        b'{"channel": "news:a", "data": 1} {}',
        b'{"channel": "news:a", "data": "\xff"}',
        b'{"channel": "news:a", "data": "\xed\xa0\x80"}',
        b'{"channel": "news:\\ud800", "data": 1}',
        b'{"channel": "news:a", "data": ' + b"[" * 100_000,
        b'{"channel": "news:a", "data": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
    ids=range(10),
)
async def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    assert error_code(await post("publish", body), status=400) == "bad_request"


@pytest.mark.parametrize(
    ("method", "body", "word"),
    [
        ("publish", [], "object"),
        ("publish", {}, "channel"),
        ("publish", {"channel": 1, "data": 1}, "channel"),
        ("publish", {"channel": "news:a"}, "without data"),
        ("publish", {"channel": "", "data": 1}, "topic name"),
        ("publish", {"channel": "news:a b", "data": 1}, "topic name"),
        ("publish", {"channel": "x" * 256, "data": 1}, "256 characters"),
        ("publish", {"channel": "numbered:x", "data": 1}, "channel_regex"),
        ("publish", {"channel": "news:a", "data": 1, "skip_history": 1}, "skip_history"),
        ("publish", {"channel": "news:a", "data": 1, "tags": {"a": 1}}, "tags"),
        ("publish", {"channel": "news:a", "data": 1, "idempotency_key": "x" * 256}, "idempotency_key"),
        ("publish", {"channel": "news:a", "b64data": "x"}, "base64"),
        ("publish", {"channel": "news:a", "b64data": "äöüß"}, "base64"),
        # What Centrifugo may have and this has not: refused rather than ignored.
        ("publish", {"channel": "news:a", "data": 1, "version": 1}, "version"),
        ("subscribe", {"user": "a", "channel": "news:a", "expire_at": 1}, "expire_at"),
        ("subscribe", {"user": "a", "channel": "news:a", "override": {"x": {"value": True}}}, "override"),
        ("subscribe", {"user": "a", "channel": "plain:a", "override": {"force_recovery": {"value": True}}},
         "needs a log"),
        ("subscribe", {"channel": "news:a"}, "user"),
        ("subscribe", {"user": "a", "channel": "news:a", "recover_since": {"offset": -1}}, "offset"),
        ("subscribe", {"user": "a", "channel": "news:a", "b64info": "?"}, "base64"),
        ("unsubscribe", {"user": "a"}, "channel"),
        ("disconnect", {}, "user"),
        ("disconnect", {"user": "a", "disconnect": {"code": 2999}}, "2999"),
        ("disconnect", {"user": "a", "disconnect": {"code": 5000}}, "5000"),
        ("disconnect", {"user": "a", "disconnect": {"code": 3500, "reason": "ä" * 62}}, "reason"),
        ("disconnect", {"user": "a", "whitelist": "b"}, "whitelist"),
        ("refresh", {"user": "a", "expire_at": -1}, "expire_at"),
        ("refresh", {"user": "a", "info": {}}, "info"),
        ("history", {"channel": "news:a", "limit": 2**31}, "limit"),
        ("channels", {"pattern": "{"}, "pattern"),
        ("broadcast", {"channels": [], "data": 1}, "no topics"),
        ("broadcast", {"channels": "news:a", "data": 1}, "channels"),
        ("info", {"x": 1}, "x"),
        ("batch", {}, "commands"),
        ("batch", {"commands": [{}]}, "commands[0] has 0 methods"),
        ("batch", {"commands": [{"info": {}, "channels": {}}]}, "commands[0] has 2 methods"),
        ("batch", {"commands": [{"batch": {"commands": []}}]}, "batch"),
        ("batch", {"commands": [{"info": {}}, {"publish": {}}]}, "commands"),
    ],
)  # fmt: skip
async def test_a_request_that_does_not_fit_is_refused_with_the_reason(
    method: str, body: Any, word: str
) -> None:
    code, message = await error(method, body)

    assert code == 107
    assert message.startswith("bad request: ")
    assert word in message


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("publish", {"channel": "nowhere:a", "data": 1}, 102),
        ("publish", {"channel": "news:a", "data": "x" * 65_536}, 106),
        ("broadcast", {"channels": ["news:a"] * 10_001, "data": 1}, 106),
        ("batch", {"commands": [{"info": {}}] * 1_001}, 106),
        ("history", {"channel": "plain:a"}, 108),
        ("history_remove", {"channel": "plain:a"}, 108),
        ("presence", {"channel": "plain:a"}, 108),
        ("presence_stats", {"channel": "plain:a"}, 108),
        ("presence", {"channel": "nowhere:a"}, 102),
        ("unsubscribe", {"user": "a", "channel": "news:a", "session": "s"}, 108),
        ("history", {"channel": "news:a", "since": {"offset": 1, "epoch": "other"}}, 112),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_with_its_number(
    method: str, body: Any, code: int
) -> None:
    assert (await error(method, body))[0] == code


@pytest.mark.parametrize("realtime_options", [{"API_MAX_BODY_BYTES": 70_000}])
async def test_a_body_may_be_larger_than_a_browsers_but_not_without_end() -> None:
    # Over Django's 64 KiB.
    text = "x" * 22_000
    commands = [{"publish": {"channel": "news:a", "data": text}}] * 3
    assert len((await call("batch", {"commands": commands}))["replies"]) == 3

    answer = await post("batch", {"commands": [*commands, *commands]})

    assert error_code(answer, status=413) == "too_large"
    assert b"REALTIME_API_MAX_BODY_BYTES" in answer.content
    assert len(await history_of("news:a")) == 3


async def test_an_empty_body_is_an_empty_request() -> None:
    assert (await post("info", b"")).status_code == 200


# ── What is carried out ───────────────────────────────────────────────────────────────────────


async def test_data_is_published_to_the_letter() -> None:
    data = b'{"big": 123456789012345678901234567890, "one": 1.0,  "text": "\\u00e4"}'

    await result("publish", b'{"channel": "news:a", "data": ' + data + b"}")

    answer = await post("history", {"channel": "news:a", "limit": 1})
    assert data in answer.content


async def test_null_is_data_and_no_data_is_not() -> None:
    await result("publish", {"channel": "news:a", "data": None})

    assert (await history_of("news:a"))[0]["data"] is None


async def test_bytes_go_before_data_and_come_back_as_json() -> None:
    raw = base64.b64encode(b"\x00\xff").decode()

    await result("publish", {"channel": "news:a", "data": {}, "b64data": raw})

    assert (await history_of("news:a"))[0]["data"] == raw


async def test_a_flag_that_only_allows_deltas_changes_nothing() -> None:
    await result("publish", {"channel": "news:a", "data": 1, "delta": True})

    assert (await history_of("news:a"))[0]["data"] == 1


async def test_a_topic_without_history_has_no_position() -> None:
    assert await result("publish", {"channel": "plain:a", "data": 1}) == {}


async def test_a_broadcast_keeps_the_order_of_its_topics() -> None:
    topics = [f"news:{number % 7}" for number in range(300)]

    responses = (await result("broadcast", {"channels": topics, "data": 1}))["responses"]

    assert [response["result"]["offset"] for response in responses] == [
        number // 7 + 1 for number in range(300)
    ]


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_batch_goes_on_after_a_failure(*, parallel: bool) -> None:
    commands = [
        {"publish": {"channel": "nowhere:a", "data": 1}},
        {"publish": {"channel": "news:a", "data": 2}},
        {"disconnect": {"user": "nobody"}},
    ]

    replies = (await call("batch", {"commands": commands, "parallel": parallel}))["replies"]

    assert replies[0]["error"]["code"] == 102
    assert replies[1]["publish"]["offset"] == 1
    assert replies[2] == {"disconnect": {}}


async def test_a_crash_is_told_as_an_internal_error(
    engine: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a secret")

    monkeypatch.setattr(engine.publisher, "publish", crash)

    assert await error("publish", {"channel": "news:a", "data": 1}) == (100, "internal server error")
    assert "a call of the server API crashed" in caplog.text


async def test_an_absent_layer_is_a_temporary_error_that_does_not_say_where_it_is(
    engine: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise LayerUnavailable("redis://:secret@host is away")

    monkeypatch.setattr(engine.layer, "publish", fail)

    code, message = await error("publish", {"channel": "news:a", "data": 1})
    spread = await result("broadcast", {"channels": ["news:a"], "data": 1})

    assert code == 100
    assert "repeat" in message
    assert "secret" not in message + json.dumps(spread)
