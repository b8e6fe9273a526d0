"""How tests call the server API within their own process, and what its topics keep."""

from typing import Any

from django.test import AsyncClient

FULL_KEY = "full-key-of-the-tests"

LOG: dict[str, Any] = {"history_size": 10, "history_ttl": 300}
NAMESPACES: dict[str, dict[str, Any]] = {
    "": {},
    "news": {**LOG, "presence": True, "allow_subscribe_for_client": True},
    "plain": {"allow_subscribe_for_client": True},
    "numbered": {"channel_regex": "^[0-9]+$"},
}


async def post(
    method: str, body: Any, *, key: str = FULL_KEY, client: AsyncClient | None = None, **options: Any
) -> Any:
    """The response to POST /api/<method>. `body`: bytes as they are, anything else as JSON."""
    return await (client or AsyncClient()).post(
        f"/api/{method}", body, content_type="application/json", headers={"X-API-Key": key}, **options
    )


async def call(method: str, body: Any, *, key: str = FULL_KEY) -> Any:
    """The answer's JSON, of a call that gets 200."""
    response = await post(method, body, key=key)
    assert response.status_code == 200, response.content
    return response.json()


async def result(method: str, body: Any, *, key: str = FULL_KEY) -> Any:
    """The result of a call that must not fail."""
    answer = await call(method, body, key=key)
    assert answer.keys() == {"result"}, answer
    return answer["result"]


async def error(method: str, body: Any, *, key: str = FULL_KEY) -> tuple[int, str]:
    """Code and message of a call that must fail."""
    answer = await call(method, body, key=key)
    assert answer.keys() == {"error"}, answer
    assert answer["error"].keys() == {"code", "message"}
    return answer["error"]["code"], answer["error"]["message"]
