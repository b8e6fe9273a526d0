"""Who sends a request: the account of the Django session that its cookie names."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from api.rate import check_rate


async def signed_in(request: HttpRequest) -> User | None:
    """The signed-in account; None, which Ninja answers with 401, for a stranger.

    Raises ApiError 429 for too many requests of the account.
    """
    user = await request.auser()
    if not isinstance(user, User):
        return None
    await check_rate(user=f"{user.pk}")
    return user


def account(request: HttpRequest) -> User:
    """The account that `signed_in` let through."""
    user: User = request.auth  # type: ignore[attr-defined]  # Ninja sets it.
    return user
