"""What API keys leave in the audit log: orders and refusals, not each publication, and no texts."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.keys import Key, Scope, Secret
from api.server import audit
from realtime.features.audit.log import writer
from tests.api.server.calls import call, error, result

pytestmark = [pytest.mark.usefixtures("engine")]


@pytest.fixture(autouse=True)
def entries(audited_soon: list[Any]) -> Iterator[list[Any]]:
    audit._refused_at.clear()
    yield audited_soon
    audit.write_counts()


def written(entries: list[Any]) -> list[tuple[str, str, str, str]]:
    writer.flush()
    return [(entry.actor_id, entry.action, entry.target, entry.outcome) for entry in entries]


async def test_orders_are_written_down(entries: list[Any]) -> None:
    await result("disconnect", {"user": "42", "disconnect": {"code": 4000, "reason": "out"}})
    await result("unsubscribe", {"user": "42", "channel": "news:a"})
    await result("history_remove", {"channel": "news:a"})

    assert written(entries) == [
        ("settings-1", "api.disconnect", "user:42", "done"),
        ("settings-1", "api.unsubscribe", "user:42", "done"),
        ("settings-1", "api.history_remove", "topic:news:a", "done"),
    ]
    assert entries[0].ip == "127.0.0.1"
    assert entries[0].details == {"disconnect": 4000}
    assert entries[1].details == {"topics": ["news:a"]}


async def test_orders_that_fail_are_written_down(entries: list[Any]) -> None:
    await error("history_remove", {"channel": "plain:a"})

    assert written(entries) == [("settings-1", "api.history_remove", "topic:plain:a", "failed")]
    assert entries[0].details["error"] == 108


async def test_publications_are_counted_and_reading_is_not(entries: list[Any]) -> None:
    for number in range(3):
        await result("publish", {"channel": "news:a", "data": f"hunter2 {number}"})
    await result("broadcast", {"channels": ["news:a", "news:b"], "data": 1})
    await result("history", {"channel": "news:a"})
    await call("batch", {"commands": [{"publish": {"channel": "news:a", "data": 1}}]})
    assert written(entries) == []

    audit.write_counts()

    assert written(entries) == [("settings-1", "api.publish", "", "done")]
    assert entries[0].details["publications"] == 6
    audit.write_counts()
    assert len(written(entries)) == 1


async def test_a_refusal_is_written_down_once_a_minute(
    entries: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret.make()
    key = Key(
        id=secret.id, name="Billing", scopes=frozenset({Scope.PUBLISH}), namespaces=frozenset({"news"}),
        digests=((secret.digest, None),),
    )  # fmt: skip

    async def find(_secret: str) -> Key:
        return key

    from api import key_rows  # noqa: PLC0415  # After the fixture has let go of the table.

    monkeypatch.setattr(key_rows.key_table(), "find", find)

    for _ in range(5):
        await error("publish", {"channel": "plain:a", "data": "hunter2"}, key=secret.text)
        await error("disconnect", {"user": "42"}, key=secret.text)

    assert written(entries) == [
        (secret.id, "api.publish", "topic:plain:a", "denied"),
        (secret.id, "api.disconnect", "user:42", "denied"),
    ]
    assert "hunter2" not in repr([entry.details for entry in entries])
