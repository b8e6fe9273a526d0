"""What the chat's tests start with, and what they watch."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from realtime.features.chat import services
from realtime.features.chat.models import Room
from tests.accounts import make_user

Published = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice", first_name="Alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def lobby(db: None) -> Room:
    return Room.objects.create(slug="lobby", name="Lobby")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """What the services gave to publish_on_commit, in order."""
    calls: Published = []
    monkeypatch.setattr(services, "publish_on_commit", lambda topic, data: calls.append((topic, data)))
    return calls
