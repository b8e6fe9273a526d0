"""Signing in and out with a Django account."""

from http import HTTPStatus

from django.contrib.auth import aauthenticate, alogin, alogout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from ninja import Router, Schema

from api.errors import ApiError, ErrorBody
from realtime.features.people import Person

router = Router(tags=["session"])


class Credentials(Schema):
    username: str
    password: str


class Session(Schema):
    """`csrf` goes into the header X-CSRFToken of every POST and DELETE."""

    user: Person | None
    csrf: str


@router.get("", response=Session)
async def show(request: HttpRequest) -> Session:
    """Who is signed in, if anybody."""
    user = await request.auser()
    person = Person.of(user) if isinstance(user, User) else None
    return Session(user=person, csrf=get_token(request))


@router.post("", response={200: Session, 401: ErrorBody})
async def sign_in(request: HttpRequest, credentials: Credentials) -> Session:
    user = None
    # No account has such a name, and PostgreSQL fails when asked for one.
    if "\0" not in credentials.username:
        user = await aauthenticate(request, username=credentials.username, password=credentials.password)
    if not isinstance(user, User):
        raise ApiError(
            HTTPStatus.UNAUTHORIZED,
            "invalid_credentials",
            "No active account has this user name and password. Check both and try again.",
        )
    await alogin(request, user)
    # Signing in made a new CSRF token.
    return Session(user=Person.of(user), csrf=get_token(request))


@router.delete("", response={204: None})
async def sign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)
