"""What people write stays text wherever the admin shows it. The page: browser/test_hostile_text.py."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from api.models import ApiKey
from realtime.features.audit.models import Entry
from realtime.features.chat.models import Message, Room
from tests.accounts import browser_of, make_user

pytestmark = pytest.mark.django_db

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
SHOWN_RAW = ("<img src=x", "<script>alert")


@pytest.fixture
def admin() -> Client:
    browser = browser_of(make_user("admin", is_admin=True))
    User.objects.create_user("hostile", first_name=HOSTILE, last_name=HOSTILE, email="x@example.com")
    room = Room.objects.create(slug="hostile", name=HOSTILE, description=HOSTILE)
    author = User.objects.get(username="hostile")
    Message.objects.create(room=room, author=author, text=HOSTILE, client_id=uuid4())
    ApiKey.objects.create(prefix="0123456789ab", name=HOSTILE, digest="0" * 64, scopes=["publish"])
    Entry.objects.create(action=HOSTILE[:60], actor_name=HOSTILE, target=HOSTILE, details={"x": HOSTILE})
    return browser


@pytest.mark.parametrize("model", [Room, Message, User, ApiKey, Entry])
def test_the_admin_shows_it_as_it_was_written(
    admin: Client, model: type[Room | Message | User | ApiKey | Entry]
) -> None:
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    row = model._default_manager.order_by("-pk").latest("pk")
    action = {"action": "delete_selected", "_selected_action": [row.pk]}

    pages = [
        admin.get(base),
        admin.get(base, {"q": HOSTILE}),
        admin.get(f"{base}{row.pk}/change/"),
        admin.get(f"{base}{row.pk}/history/"),
        admin.get(f"{base}{row.pk}/delete/"),
        admin.post(base, action),
    ]

    for page in pages:
        assert page.status_code in {200, 302, 403}
        assert not [raw for raw in SHOWN_RAW if raw in page.text], page.request["PATH_INFO"]
    assert any("&lt;img src=x" in page.text for page in pages)


def test_a_search_comes_back_as_text() -> None:
    for path in ("/accounts/login/", "/admin/login/", "/accounts/password/reset/", f"/accounts/{HOSTILE}"):
        page = Client().get(path, {"next": HOSTILE, "q": HOSTILE}, follow=True)

        assert not [raw for raw in SHOWN_RAW if raw in page.text]
