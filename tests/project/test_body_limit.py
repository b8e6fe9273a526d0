"""HTTP bodies over the limit are refused while they arrive, announced or not."""

from typing import Any

import msgspec
import pytest

from project.body_limit import BodyLimit

Event = dict[str, Any]


async def read_all(scope: Event, receive: Any, send: Any) -> None:
    """An application that reads its body and answers with its length."""
    length, more = 0, True
    while more:
        event = await receive()
        length += len(event["body"])
        more = event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def request(chunks: list[bytes], *, headers: list[tuple[bytes, bytes]]) -> list[Event]:
    events = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    sent: list[Event] = []

    async def receive() -> Event:
        return events.pop(0)

    async def send(event: Event) -> None:
        sent.append(event)

    await BodyLimit(read_all, max_bytes=10)({"type": "http", "headers": headers}, receive, send)
    return sent


async def test_a_body_up_to_the_limit_passes() -> None:
    start, body = await request([b"12345", b"67890"], headers=[(b"content-length", b"10")])

    assert (start["status"], body["body"]) == (200, b"10")


@pytest.mark.parametrize("length", [b"11", b"9" * 5000])
async def test_an_announced_body_over_the_limit_is_refused_unread(length: bytes) -> None:
    start, body = await request([], headers=[(b"content-length", length)])

    assert start["status"] == 413
    assert msgspec.json.decode(body["body"])["error"]["code"] == "too_large"


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"1")], [(b"content-length", b"nonsense")]])
async def test_a_body_that_grows_over_the_limit_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    start, _ = await request([b"12345", b"67890", b"1"], headers=headers)

    assert start["status"] == 413
