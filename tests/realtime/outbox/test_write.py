"""publish_on_commit(): what becomes a row, what goes with its transaction, and who is told."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connections, transaction

from realtime.outbox import publish_on_commit
from realtime.outbox.bell import CHANNEL, bell
from realtime.outbox.models import OutboxRow
from realtime.topics.name import TopicName

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were committed at each ring."""
    seen: list[int] = []
    monkeypatch.setattr(type(bell), "ring", lambda _: seen.append(OutboxRow.objects.count()))
    return seen


def contents() -> list[tuple[str, bytes]]:
    return [(row.topic, bytes(row.data)) for row in OutboxRow.objects.order_by("id")]


def test_a_publication_is_a_row_of_its_transaction(rings: list[int]) -> None:
    with transaction.atomic():
        publish_on_commit("news:a", {"n": 1})
        publish_on_commit(TopicName.parse("news:b"), b"raw", tags={"kind": "x"}, idempotency_key="k")
        before = list(rings)

    assert (before, rings) == ([], [2, 2])
    assert contents() == [("news:a", b'{"n":1}'), ("news:b", b"raw")]
    plain, rich = OutboxRow.objects.order_by("id")
    assert (plain.tags, plain.idempotency_key) == (None, "")
    assert (rich.tags, rich.idempotency_key) == ({"kind": "x"}, "k")


def test_a_rollback_takes_its_publications_with_it(rings: list[int]) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish_and_fail()

    assert (contents(), rings) == ([], [])


def test_a_savepoint_that_is_rolled_back_takes_its_own_alone(rings: list[int]) -> None:
    with transaction.atomic():
        publish_on_commit("news:a", 1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            publish_and_fail()
        with transaction.atomic():
            publish_on_commit("news:a", 3)

    assert [data for _, data in contents()] == [b"1", b"3"]
    assert rings == [2, 2]


def publish_and_fail() -> None:
    publish_on_commit("news:a", 2)
    raise ZeroDivisionError


def test_outside_of_a_transaction_it_commits_by_itself(rings: list[int]) -> None:
    publish_on_commit("news:a", 1)

    assert (contents(), rings) == ([("news:a", b"1")], [1])


def test_data_that_is_no_json_is_refused_before_the_commit() -> None:
    with pytest.raises(TypeError), transaction.atomic():
        publish_on_commit("news:a", object())

    assert contents() == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_without_a_relay_in_the_process_the_commit_notifies_those_of_others(
    notifications: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        publish_on_commit("news:a", 1)
        publish_on_commit("news:a", 2)
        before = notifications()
    after = notifications()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish_and_fail()
    monkeypatch.setattr(type(bell), "is_heard", True)
    publish_on_commit("news:a", 3)

    # PostgreSQL sends one for all that are equal in a transaction.
    assert (before, after, notifications()) == (0, 1, 0)


@pytest.fixture
def notifications(database: str) -> Iterator[Callable[[], int]]:
    """How many came since the last call."""
    config = connections["default"].settings_dict
    with psycopg.connect(
        dbname=config["NAME"], host=config["HOST"], user=config["USER"], autocommit=True
    ) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        yield lambda: len(list(listening.notifies(timeout=0.1)))
