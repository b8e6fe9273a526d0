"""People for tests, and their browsers."""

from django.contrib.auth.models import User
from django.test import Client

PASSWORD = "correct horse battery staple"

SIGNED_IN = ("member", "admin")


def make_user(username: str = "alice", *, first_name: str = "", is_admin: bool = False) -> User:
    return User.objects.create_user(
        username, password=PASSWORD, first_name=first_name, is_staff=is_admin, is_superuser=is_admin
    )


def browser_of(user: User | None) -> Client:
    """A browser in which `user` is signed in, or nobody is. CSRF is not checked: see checking_browser()."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def checking_browser() -> Client:
    """A browser of a server that checks CSRF, as all but the tests' do."""
    return Client(enforce_csrf_checks=True)
