"""The outbox in the admin: what cannot be published is seen, tried again and removed, and never read."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from realtime.outbox.bell import bell
from realtime.outbox.models import OutboxRow
from tests.accounts import browser_of, make_user

CHANGELIST = "admin:realtime_outboxrow_changelist"


@pytest.fixture
def admin(db: None) -> User:
    return make_user("admin", is_admin=True)


@pytest.fixture
def parked(db: None) -> OutboxRow:
    return OutboxRow.objects.create(
        topic="news:parked", partition=0, data=b'"secret"', created_at=timezone.now(),
        parked_at=timezone.now(), attempts=20, error="106 limit exceeded",
    )  # fmt: skip


@pytest.fixture
def waiting(db: None) -> OutboxRow:
    return OutboxRow.objects.create(
        topic="news:waiting", partition=0, data=b'"secret"', created_at=timezone.now()
    )


def test_parked_rows_are_listed_with_their_error_and_without_what_they_carry(
    admin: User, parked: OutboxRow, waiting: OutboxRow
) -> None:
    browser = browser_of(admin)

    page = browser.get(reverse(CHANGELIST), {"state": "parked"})
    shown = browser.get(reverse("admin:realtime_outboxrow_change", args=[parked.pk]))

    assert "news:parked" in page.text
    assert "106 limit exceeded" in page.text
    assert "news:waiting" not in page.text
    assert "106 limit exceeded" in shown.text
    assert "secret" not in page.text + shown.text


def test_parked_rows_are_tried_again(
    admin: User, parked: OutboxRow, waiting: OutboxRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[int] = []
    monkeypatch.setattr(type(bell), "ring", lambda _: rings.append(1))
    chosen = {"action": "publish_again", "_selected_action": [parked.pk, waiting.pk]}

    page = browser_of(admin).post(reverse(CHANGELIST), chosen, follow=True)

    parked.refresh_from_db()
    assert "1 parked rows wait for the relay again." in page.text
    assert (parked.parked_at, parked.attempts, parked.error) == (None, 0, "")
    assert rings == [1]


def test_rows_are_removed_but_neither_added_nor_rewritten(admin: User, parked: OutboxRow) -> None:
    browser = browser_of(admin)

    assert browser.get(reverse("admin:realtime_outboxrow_add")).status_code == 403
    change = browser.post(reverse("admin:realtime_outboxrow_change", args=[parked.pk]), {"topic": "news:b"})
    assert change.status_code == 403
    browser.post(reverse("admin:realtime_outboxrow_delete", args=[parked.pk]), {"post": "yes"})
    assert not OutboxRow.objects.exists()
