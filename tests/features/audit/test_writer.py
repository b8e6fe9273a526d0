"""The thread that writes entries behind whoever makes them: nobody waits, and nothing is lost silently."""

import logging
import threading
from collections.abc import Sequence

import pytest
from django.db import DatabaseError

from realtime.features.audit.log import Actor, Deed, record_soon
from realtime.features.audit.log import writer as the_writer
from realtime.features.audit.models import Entry
from realtime.features.audit.writer import Writer, store_in_database


class Shelf:
    """Stores into a list, and only once it may."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.batches = 0
        self.is_open = threading.Event()
        self.is_reached = threading.Event()

    def store(self, entries: Sequence[Entry]) -> None:
        self.is_reached.set()
        assert self.is_open.wait(20)
        self.batches += 1
        self.stored += [entry.action for entry in entries]


def test_entries_are_stored_in_order_and_in_batches() -> None:
    shelf = Shelf()
    writer = Writer(store=shelf.store)

    for number in range(300):
        writer.add(Entry(action=f"a{number}"))
    shelf.is_open.set()
    writer.flush()

    assert shelf.stored == [f"a{number}" for number in range(300)]
    assert shelf.batches <= 4


def test_what_finds_the_line_full_goes_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    writer = Writer(store=shelf.store, max_waiting=2)
    writer.add(Entry(action="taken"))
    assert shelf.is_reached.wait(20)

    with caplog.at_level(logging.ERROR):
        for action in ("first", "second", "third"):
            writer.add(Entry(action=action, actor_id="k1", details={"secret": "hunter2"}))
    shelf.is_open.set()
    writer.flush()

    assert shelf.stored == ["taken", "first", "second"]
    [line] = caplog.messages
    assert "third" in line
    assert "k1" in line
    assert "hunter2" not in line


def test_what_the_database_does_not_take_goes_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(entries: Sequence[Entry]) -> None:
        raise DatabaseError("away")

    writer = Writer(store=fail)

    with caplog.at_level(logging.ERROR):
        writer.add(Entry(action="api.disconnect"))
        writer.flush()

    assert any("not stored: api.disconnect" in message for message in caplog.messages)


@pytest.mark.django_db(transaction=True)
def test_an_order_of_an_api_key_is_stored_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_writer, "store", store_in_database)

    record_soon(Deed(action="api.disconnect", actor=Actor.api_key("k1", "Billing"), target="user:42"))
    the_writer.flush()

    entry = Entry.objects.get()
    assert (entry.actor_kind, entry.actor_name, entry.target) == ("api_key", "Billing", "user:42")
