"""The audit log only grows: by its models, by its admin and by SQL."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from realtime.features.audit.log import STRANGER, Actor, Deed, arecord, current_request, record
from realtime.features.audit.models import AppendOnly, Entry, Outcome
from tests.accounts import browser_of, make_user

pytestmark = pytest.mark.django_db


def make_entry(action: str = "test.done", *, days_ago: int = 0) -> Entry:
    entry: Entry = Entry.objects.create(action=action, at=timezone.now() - timedelta(days=days_ago))
    return entry


def test_an_entry_says_who_did_what_to_what_from_where() -> None:
    alice = make_user("alice")
    token = current_request.set(RequestFactory().get("/", REMOTE_ADDR="2001:db8::1"))

    record(
        Deed(action="room.close", actor=Actor.user(alice), target="room:5", outcome=Outcome.DENIED,
             details={"reason": "none"})
    )  # fmt: skip

    current_request.reset(token)
    entry = Entry.objects.get()
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("user", f"{alice.pk}", "alice")
    assert (entry.action, entry.target, entry.outcome) == ("room.close", "room:5", "denied")
    assert (entry.ip, entry.details) == ("2001:db8::1", {"reason": "none"})
    assert entry.at <= timezone.now()


@pytest.mark.django_db(transaction=True)
async def test_async_code_writes_entries_too() -> None:
    await arecord(Deed(action="test.async", actor=Actor.api_key("k1", "Billing"), ip="203.0.113.7"))

    entry = await Entry.objects.aget(action="test.async")
    # Of the thread that does this for async code; the fixtures close their own.
    await sync_to_async(connections.close_all)()
    assert (entry.actor_kind, entry.actor_id, entry.ip) == ("api_key", "k1", "203.0.113.7")


def test_what_does_not_fit_is_cut_and_what_cannot_be_stored_left_out() -> None:
    record(Deed(action="a" * 500, actor=STRANGER, target="\0x\ud800" + "t" * 500, ip="unix:/run/x"))

    entry = Entry.objects.get()
    assert (len(entry.action), len(entry.target), entry.ip) == (60, 255, None)
    assert entry.target.startswith("x?t")


def test_a_rollback_takes_the_entry_with_it() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012  # The exception is the rollback.
        make_entry()
        raise RuntimeError

    assert not Entry.objects.exists()


def test_entries_are_neither_changed_nor_removed() -> None:
    entry = make_entry()

    for attempt in (
        entry.save,
        entry.delete,
        Entry.objects.all().delete,
        lambda: Entry.objects.update(action="other"),
        lambda: Entry.objects.bulk_update([entry], ["action"]),
    ):
        with pytest.raises(AppendOnly), transaction.atomic():
            attempt()

    assert Entry.objects.get().action == "test.done"


def test_the_database_refuses_changes_by_sql() -> None:
    make_entry()

    with pytest.raises(DatabaseError, match="audit entries are not changed"), transaction.atomic():
        connection.cursor().execute("UPDATE audit_entry SET action = 'other'")

    assert Entry.objects.get().action == "test.done"


def test_pruning_removes_what_is_old_and_writes_it_down(capsys: pytest.CaptureFixture[str]) -> None:
    for days_ago in (0, 29, 31, 400):
        make_entry(days_ago=days_ago)

    call_command("audit_prune", "--days", "30")

    assert capsys.readouterr().out == "2 entries removed\n"
    assert Entry.objects.filter(action="test.done").count() == 2
    pruned = Entry.objects.get(action="audit.prune")
    assert (pruned.actor_kind, pruned.details["entries"]) == ("command", 2)
    call_command("audit_prune", "--days", "30")
    assert Entry.objects.filter(action="audit.prune").count() == 1


def test_pruning_everything_is_a_slip() -> None:
    with pytest.raises(CommandError, match="--days is 0, expected 1 or more"):
        call_command("audit_prune", "--days", "0")


def test_the_admin_shows_entries_and_offers_no_more() -> None:
    admin = make_user("admin", is_admin=True)
    browser = browser_of(admin)
    entry = make_entry("<b>bold</b>")

    shown = browser.get(reverse("admin:audit_entry_change", args=[entry.pk]))
    listed = browser.get(reverse("admin:audit_entry_changelist"), {"q": "bold"})

    assert "&lt;b&gt;bold" in shown.text
    assert "&lt;b&gt;bold" in listed.text
    assert 'name="_save"' not in shown.text
    assert "delete_selected" not in listed.text
    for address in (
        reverse("admin:audit_entry_add"),
        reverse("admin:audit_entry_change", args=[entry.pk]),
        reverse("admin:audit_entry_delete", args=[entry.pk]),
    ):
        assert browser.post(address, {"action": "other", "post": "yes"}).status_code == 403
