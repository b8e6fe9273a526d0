"""Signing in and out with a Django account."""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from allauth.account import app_settings
from allauth.account.forms import LoginForm
from allauth.core import ratelimit
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.utils import get_form_class
from asgiref.sync import sync_to_async
from django.contrib.auth import alogout, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import resolve
from ninja import Router, Schema, Status
from redis.exceptions import RedisError

from api.errors import RETRY_AFTER_SECONDS, ApiError, ErrorBody, ErrorDetail
from realtime.features.people import Person

logger = logging.getLogger(__name__)

router = Router(tags=["session"])


class Credentials(Schema):
    username: str
    password: str


class Session(Schema):
    """`csrf` goes into the header X-CSRFToken of every POST and DELETE."""

    user: Person | None
    csrf: str


@dataclass(frozen=True, slots=True)
class Step(ErrorDetail):
    """`location` is the page where the person goes on."""

    location: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An error as any other, so that nobody takes it for a session."""

    error: Step


@router.get("", response=Session)
async def show(request: HttpRequest) -> Session:
    """Who is signed in, if anybody."""
    user = await request.auser()
    person = Person.of(user) if isinstance(user, User) else None
    return Session(user=person, csrf=get_token(request))


@router.post("", response={200: Session, 401: Unfinished | ErrorBody, 429: ErrorBody, 503: ErrorBody})
async def sign_in(request: HttpRequest, credentials: Credentials) -> Session | Status[Unfinished]:
    """By user name or e-mail address. Whoever has a second factor goes on at `location`."""
    try:
        return await sync_to_async(_sign_in)(request, credentials)
    except RedisError as error:
        # Uncounted, passwords could be tried at will.
        logger.warning("nobody can sign in while attempts cannot be counted: %s", error)
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "sign_in_away",
            "Signing in is not possible right now. Repeat the request after the seconds in Retry-After.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from None


@router.delete("", response={204: None})
async def sign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _sign_in(request: HttpRequest, credentials: Credentials) -> Session | Status[Unfinished]:
    """The way that the pages of allauth go, so that its limits, its stages and its signals are the same."""
    if not ratelimit.consume(request, action="login"):
        raise _too_many(wait_seconds=60)
    form_class = get_form_class(app_settings.FORMS, "login", LoginForm)
    form = form_class({"login": credentials.username, "password": credentials.password}, request=request)
    if not form.is_valid():
        problems = (problem for problems in form.errors.as_data().values() for problem in problems)
        if any(problem.code == "too_many_login_attempts" for problem in problems):
            raise _too_many(wait_seconds=300)
        raise _invalid_credentials()
    if request.user.is_authenticated:
        # What follows must not be taken for the session of who was here before.
        logout(request)
    try:
        response = form.login(request)
    except ImmediateHttpResponse as stopped:
        response = stopped.response
    user = request.user
    if isinstance(user, User):
        # Signing in made a new CSRF token.
        return Session(user=Person.of(user), csrf=get_token(request))
    location = response.headers.get("Location", "")
    step = _STEPS.get(resolve(location).url_name or "") if location else None
    if step is None:
        # An account that was switched off.
        raise _invalid_credentials()
    return Status(HTTPStatus.UNAUTHORIZED, Unfinished(error=Step(*step, location=location)))


# What the account needs besides its password, by the name of the page that asks for it.
_STEPS = {
    "mfa_authenticate": (
        "second_factor_required",
        "The password is right, and this account has a second factor. Open `location` in the same browser.",
    ),
    "account_email_verification_sent": (
        "email_unconfirmed",
        "The password is right, but the account's address is not confirmed. Follow the link in the e-mail.",
    ),
}


def _invalid_credentials() -> ApiError:
    return ApiError(
        HTTPStatus.UNAUTHORIZED,
        "invalid_credentials",
        "No active account has this user name and password. Check both and try again.",
    )


def _too_many(*, wait_seconds: int) -> ApiError:
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_attempts",
        "There were too many attempts to sign in. Wait a few minutes and try again.",
        retry_after_seconds=wait_seconds,
    )
