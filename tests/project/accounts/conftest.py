"""Somebody who has an account already."""

import pytest
from django.contrib.auth.models import User

from tests.accounts import make_user
from tests.project.accounts.visits import confirm_address


@pytest.fixture
def alice(db: None) -> User:
    user = make_user("alice", first_name="Alice")
    confirm_address(user, "alice@example.com")
    return user
