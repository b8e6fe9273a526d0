"""Who sends a request: the account of the Django session that its cookie names."""

from django.contrib.auth.models import User
from django.http import HttpRequest


async def signed_in(request: HttpRequest) -> User | None:
    """The signed-in account; None, which Ninja answers with 401, for a stranger."""
    user = await request.auser()
    return user if isinstance(user, User) else None


def account(request: HttpRequest) -> User:
    """The account that `signed_in` let through."""
    user: User = request.auth  # type: ignore[attr-defined]  # Ninja sets it.
    return user
