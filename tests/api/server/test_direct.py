"""The straight way into the server API: what it answers as an ASGI application, and what it leaves alone."""

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from api.server import direct
from api.server.direct import ServerApi
from api.server.views import VIEWS
from tests.api.server.calls import FULL_KEY

pytestmark = pytest.mark.usefixtures("engine")


async def beyond(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"Django"})


def open_request(path: str, *, method: str = "POST", query: bytes = b"") -> ApplicationCommunicator:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"testserver"), (b"x-api-key", FULL_KEY.encode())],
        "client": ("127.0.0.1", 1),
    }
    return ApplicationCommunicator(ServerApi(beyond), scope)


async def answer(request: ApplicationCommunicator, *parts: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    for number, part in enumerate(parts, 1):
        event = {"type": "http.request", "body": part, "more_body": number < len(parts)}
        await request.send_input(event)
    start = await request.receive_output(timeout=10)
    body = await request.receive_output(timeout=10)
    await request.wait(timeout=10)
    return start["status"], dict(start["headers"]), body["body"]


async def test_a_call_that_comes_in_parts_is_answered() -> None:
    status, headers, body = await answer(
        open_request("/api/publish"), b'{"channel": "plain:a",', b' "data": 1}'
    )

    assert (status, body) == (200, b'{"result":{}}')
    assert headers == {
        b"content-type": b"application/json",
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
        b"content-length": b"13",
    }


@pytest.mark.parametrize(
    "path", ["/api/publish/", "/api/", "/api/v1/nodes", "/api/session", "/", "/api/Publish"]
)
async def test_what_is_no_call_goes_on_to_django(path: str) -> None:
    assert (await answer(open_request(path), b""))[0] == 299


async def test_who_goes_away_while_sending_is_left_alone() -> None:
    request = open_request("/api/publish")
    await request.send_input({"type": "http.request", "body": b"{", "more_body": True})
    await request.send_input({"type": "http.disconnect"})

    await request.wait(timeout=10)

    assert await request.receive_nothing()


@pytest.mark.parametrize("realtime_options", [{"API_MAX_BODY_BYTES": 1024}])
async def test_no_more_is_read_than_shows_that_it_is_too_much() -> None:
    request = open_request("/api/publish")

    status, _, body = await answer(request, b" " * 800, b" " * 800, b" " * 800)

    assert status == 413
    assert b"too_large" in body
    assert request.input_queue.qsize() == 1


async def test_a_crash_is_an_answer_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(request: Any) -> Any:
        raise RuntimeError("as the test wants it")

    monkeypatch.setitem(direct._VIEWS, "/api/publish", crash)

    status, _, body = await answer(open_request("/api/publish"), b"{}")

    assert status == 500
    assert b"internal_error" in body
    assert "as the test wants it" in caplog.text


async def test_every_method_has_its_way() -> None:
    assert {f"/api/{name}" for name in VIEWS} == set(direct._VIEWS)
    assert (await answer(open_request("/api/info", method="GET"), b""))[0] == 405
