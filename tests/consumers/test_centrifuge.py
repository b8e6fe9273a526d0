"""Which encoding a client speaks, by subprotocol or by the address."""

from typing import Any

import pytest

from consumers.centrifuge import JSON, PROTOBUF, CentrifugeConsumer, negotiate
from realtime.runtime import get_runtime
from tests.consumers.sockets import FakeSend


@pytest.mark.parametrize(
    ("asked", "query", "answered", "codec"),
    [
        ([], b"", None, JSON),
        (["centrifuge-json"], b"", "centrifuge-json", JSON),
        (["centrifuge-protobuf"], b"", "centrifuge-protobuf", PROTOBUF),
        (["centrifuge-json", "centrifuge-protobuf"], b"", "centrifuge-protobuf", PROTOBUF),
        (["mqtt", "centrifuge-json"], b"", "centrifuge-json", JSON),
        (["mqtt"], b"", None, JSON),
        ([], b"cf_protocol=protobuf", None, PROTOBUF),
        ([], b"a=b&format=protobuf", None, PROTOBUF),
        ([], b"format=json", None, JSON),
        ([], b"format=xml", None, JSON),
        ([], b"\xff&%%%=", None, JSON),
        (["centrifuge-json"], b"format=protobuf", "centrifuge-json", JSON),
    ],
)
def test_the_subprotocol_decides_and_then_the_address(
    asked: list[str], query: bytes, answered: str | None, codec: Any
) -> None:
    assert negotiate({"subprotocols": asked, "query_string": query}) == (answered, codec)


def test_a_scope_that_says_nothing_means_json() -> None:
    assert negotiate({}) == (None, JSON)


async def test_a_process_that_is_going_takes_no_new_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_runtime(), "is_draining", True)
    send = FakeSend()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    await CentrifugeConsumer()(scope, receive, send)

    assert send.events[0]["status"] == 503
