"""A browser for each role, and a room to look into."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from realtime.features.chat.models import Room
from tests.accounts import browser_of, make_user


@pytest.fixture
def member(db: None) -> User:
    return make_user("alice", first_name="Alice")


@pytest.fixture
def admin(db: None) -> User:
    return make_user("admin", is_admin=True)


@pytest.fixture
def browser(request: pytest.FixtureRequest, db: None) -> Client:
    """The browser of the role that the test is parametrized with; a member's without one."""
    role = getattr(request, "param", "member")
    return browser_of(None if role == "anonymous" else request.getfixturevalue(role))


@pytest.fixture
def lobby(db: None) -> Room:
    return Room.objects.create(slug="lobby", name="Lobby", description="Say hello")
