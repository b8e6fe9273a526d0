"""publish_on_commit(): what is published with a transaction, and what goes with it."""

import json
from typing import Any

import pytest
from django.db import transaction

from realtime import outbox
from realtime.errors import CommandError, ErrorCode, PublishUnavailable
from realtime.outbox import publish_on_commit

pytestmark = pytest.mark.django_db(transaction=True)


class FakeRuntime:
    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.error: Exception | None = None

    def publish_blocking(self, topic: str, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.published.append((topic, data))


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    runtime = FakeRuntime()
    monkeypatch.setattr(outbox, "get_runtime", lambda: runtime)
    return runtime


def test_a_publication_goes_out_when_its_transaction_has_committed(runtime: FakeRuntime) -> None:
    with transaction.atomic():
        publish_on_commit("news:a", {"n": 1})
        publish_on_commit("news:a", b"raw")
        before = list(runtime.published)

    assert before == []
    assert [(topic, data) for topic, data in runtime.published] == [
        ("news:a", b'{"n":1}'),
        ("news:a", b"raw"),
    ]


def test_a_rollback_takes_its_publications_with_it(runtime: FakeRuntime) -> None:
    with transaction.atomic():
        publish_on_commit("news:a", {"n": 1})
        with pytest.raises(ZeroDivisionError):
            publish_and_fail()

    assert [json.loads(data) for _, data in runtime.published] == [{"n": 1}]


@transaction.atomic
def publish_and_fail() -> None:
    publish_on_commit("news:a", {"n": 2})
    raise ZeroDivisionError


def test_outside_of_a_transaction_it_goes_out_at_once(runtime: FakeRuntime) -> None:
    publish_on_commit("news:a", {"n": 1})

    assert len(runtime.published) == 1


def test_data_that_is_no_json_is_refused_before_the_commit(runtime: FakeRuntime) -> None:
    with pytest.raises(TypeError), transaction.atomic():
        publish_on_commit("news:a", object())

    assert runtime.published == []


@pytest.mark.parametrize(
    "error",
    [
        PublishUnavailable("nobody listens"),
        CommandError(ErrorCode.UNKNOWN_TOPIC),
        TimeoutError(),
        ConnectionError("the layer is away"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_published_is_logged_and_costs_nobody_the_commit(
    runtime: FakeRuntime, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.error = error
    others: list[Any] = []

    with transaction.atomic():
        publish_on_commit("news:a", {"n": 1})
        transaction.on_commit(lambda: others.append(1))

    assert others == [1]
    assert "not published in news:a" in caplog.text
