"""/api/v1: statuses, shapes and the same refusals as the methods have. Random requests: test_openapi.py."""

import json
from typing import Any

import pytest
from django.test import AsyncClient

from realtime.errors import LayerUnavailable
from realtime.runtime import Runtime
from tests.api.answers import error_code
from tests.api.server.calls import FULL_KEY
from tests.api.server.calls import post as call_method

pytestmark = pytest.mark.usefixtures("engine")


async def ask(method: str, path: str, body: Any = None, *, key: str = FULL_KEY) -> Any:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return await AsyncClient(enforce_csrf_checks=True).generic(
        method, f"/api/v1{path}", data, content_type="application/json", headers={"X-API-Key": key}
    )


async def test_a_publication_is_created_and_read_and_removed() -> None:
    created = await ask("POST", "/topics/news:a/publications", b'{"data": {"n": 1.50}, "tags": {"k": "v"}}')

    assert created.status_code == 201
    assert created.json()["offset"] == 1
    read = await ask("GET", "/topics/news:a/history?limit=-1")
    assert b'{"n": 1.50}' in read.content
    assert read.json()["publications"][0]["tags"] == {"k": "v"}
    assert (await ask("DELETE", "/topics/news:a/history")).status_code == 204
    assert (await ask("GET", "/topics/news:a/history?limit=-1")).json()["publications"] == []


async def test_history_goes_on_from_a_position() -> None:
    for number in range(3):
        await ask("POST", "/topics/news:a/publications", {"data": number})
    epoch = (await ask("GET", "/topics/news:a/history")).json()["epoch"]

    after = await ask("GET", f"/topics/news:a/history?limit=5&since_offset=1&since_epoch={epoch}")
    lost = await ask("GET", "/topics/news:a/history?limit=5&since_offset=1&since_epoch=other")

    assert [publication["offset"] for publication in after.json()["publications"]] == [2, 3]
    assert error_code(lost, status=409) == "unrecoverable_position"


async def test_a_broadcast_tells_of_each_topic() -> None:
    answer = await ask("POST", "/publications", {"topics": ["news:a", "nowhere:a", "plain:a"], "data": 1})

    first, second, third = answer.json()["responses"]
    assert first["position"]["offset"] == 1
    assert second["error"].startswith("unknown channel")
    assert third == {"topic": "plain:a", "position": {}}


async def test_topics_with_slashes_and_marks_have_an_address() -> None:
    answer = await ask("POST", "/topics/news:a%2Fb%23c%3Fd/publications", {"data": 1})

    assert answer.status_code == 201
    held = await call_method("history", {"channel": "news:a/b#c?d"})
    assert held.json()["result"]["offset"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users/42/subscriptions", {"topic": "news:a", "override": {"presence": True}}),
        ("DELETE", "/users/42/subscriptions/news:a?client=c", None),
        ("POST", "/users/42/disconnect", {"code": 4501, "reason": "banned", "keep_clients": ["c"]}),
        ("POST", "/users/42/refresh", {"is_expired": True}),
    ],
)  # fmt: skip
async def test_orders_are_accepted(method: str, path: str, body: Any) -> None:
    answer = await ask(method, path, body)

    assert (answer.status_code, answer.content) == (202, b"")


async def test_lists_have_their_shape() -> None:
    [node] = (await ask("GET", "/nodes")).json()["nodes"]

    assert node["version"].startswith("Switchboard")
    assert (await ask("GET", "/topics?pattern=*")).json() == {"topics": []}
    assert (await ask("GET", "/topics/news:a/presence")).json() == {"presence": {}}
    assert (await ask("GET", "/topics/news:a/presence-stats")).json() == {"num_clients": 0, "num_users": 0}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/topics/nowhere:a/publications", {"data": 1}, 404, "unknown_topic"),
        ("POST", "/topics/news:a/publications", {}, 400, "invalid_request"),
        ("POST", "/topics/news:a/publications", {"data": 1, "b64data": "AA=="}, 400, "invalid_request"),
        ("POST", "/topics/news:a/publications", {"data": 1, "version": 1}, 400, "invalid_request"),
        ("POST", "/topics/news:a/publications", b"{", 400, "bad_request"),
        ("POST", "/topics/news:a/publications", {"data": "x" * 65_536}, 413, "limit_exceeded"),
        ("POST", "/topics/news%20a/publications", {"data": 1}, 400, "invalid_request"),
        ("GET", "/topics/plain:a/history", None, 409, "not_available"),
        ("GET", "/topics/news:a/history?limit=x", None, 400, "invalid_request"),
        ("GET", "/topics/news:a/history?since=1", None, 400, "invalid_request"),
        ("POST", "/users/42/disconnect", {"code": 1000}, 400, "invalid_request"),
        ("PATCH", "/topics/news:a/history", None, 405, "method_not_allowed"),
        ("GET", "/nothing", None, 404, "not_found"),
    ],
)
async def test_what_goes_wrong_has_its_status(
    method: str, path: str, body: Any, status: int, code: str
) -> None:
    assert error_code(await ask(method, path, body), status=status) == code


async def test_without_a_valid_key_there_is_nothing() -> None:
    for key in ("", "no-such-key"):
        assert error_code(await ask("GET", "/nodes", key=key), status=401) == "invalid_api_key"


@pytest.mark.parametrize("realtime_options", [{"API_MAX_BODY_BYTES": 1024}])
async def test_a_body_over_the_limit_is_refused() -> None:
    answer = await ask("POST", "/topics/news:a/publications", {"data": "x" * 1024})

    assert error_code(answer, status=413) == "too_large"


async def test_while_the_layer_is_away_it_asks_to_try_again(
    engine: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise LayerUnavailable("redis://:secret@host is away")

    monkeypatch.setattr(engine.layer, "publish", fail)

    answer = await ask("POST", "/topics/news:a/publications", {"data": 1})

    assert error_code(answer, status=503) == "topics_away"
    assert answer.headers["Retry-After"] == "2"
    assert b"secret" not in answer.content


async def test_the_description_is_open_to_all() -> None:
    answer = await AsyncClient().get("/api/v1/openapi.json")

    assert answer.json()["components"]["securitySchemes"]["ServerKey"]["name"] == "X-API-Key"
    assert (await AsyncClient().get("/api/v1/docs")).status_code == 200
