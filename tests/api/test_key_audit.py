"""What becomes of API keys is written down, with who did it, and without any secret."""

import pytest
from django.urls import reverse

from api.key_rows import create_key, revoke_key, rotate_key
from realtime.features.audit.models import Entry
from tests.accounts import browser_of, make_user

pytestmark = pytest.mark.django_db


def entries() -> list[tuple[str, str, str]]:
    rows = Entry.objects.filter(action__startswith="key.").order_by("id")
    return [(entry.action, entry.target, entry.actor_kind) for entry in rows]


def test_keys_that_are_made_rotated_and_revoked_outside_of_requests() -> None:
    row, first = create_key(name="Billing", scopes=["publish"], namespaces=["*"])
    _row, second = rotate_key(row.prefix)
    revoke_key(row.prefix)

    target = f"key:{row.prefix}"
    assert entries() == [
        ("key.created", target, "command"),
        ("key.rotated", target, "command"),
        ("key.revoked", target, "command"),
    ]
    details = repr(list(Entry.objects.values()))
    assert "Billing" in details
    for secret in (first, second):
        assert secret.text not in details
        assert secret.digest.hex() not in details


def test_who_makes_a_key_in_the_admin_is_named() -> None:
    admin = make_user("admin", is_admin=True)
    new = {"name": "Shop", "scopes": ["publish"], "namespaces": "*", "expires_at_0": "", "expires_at_1": ""}

    browser_of(admin).post(reverse("admin:api_apikey_add"), new)

    [entry] = Entry.objects.filter(action="key.created")
    assert (entry.actor_name, entry.ip, entry.details["name"]) == ("admin", "127.0.0.1", "Shop")
