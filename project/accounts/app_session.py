"""Sessions of apps: the token that `/_allauth/app/` hands out, in place of a cookie, for the whole API.

A request with the header X-Session-Token is its session's, and its cookies count for nothing. No
page elsewhere can make a browser send the header, so such a request needs no CSRF token.
"""

from collections.abc import Awaitable, Callable

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from asgiref.sync import markcoroutinefunction, sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Session-Token"
PREFIX = "/api/"


class AppSessionMiddleware:
    """Between Django's own for sessions and accounts, and the views."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = request.headers.get(HEADER)
        if token is None or not request.path_info.startswith(PREFIX):
            return await self._get_response(request)
        browser_session = request.session
        user, session = await sync_to_async(_look_up)(token)
        _become(request, user, session)
        # What Django's test client does; the header is what a page elsewhere cannot send.
        setattr(request, "_dont_enforce_csrf_checks", True)  # noqa: B010 -- Django has no public name for it.
        try:
            return await self._get_response(request)
        finally:
            if session.modified and not session.is_empty():
                await session.asave()
            # What the outer middleware saves, and sets a cookie for, is the browser's.
            request.session = browser_session


def _look_up(token: str) -> tuple[User | AnonymousUser, SessionBase]:
    found = authenticate_by_x_session_token(token)
    return (AnonymousUser(), SessionStore()) if found is None else found


def _become(request: HttpRequest, user: User | AnonymousUser, session: SessionBase) -> None:
    async def fetch_user() -> User | AnonymousUser:
        return user

    request.session = session
    request.user = user
    request.auser = fetch_user
