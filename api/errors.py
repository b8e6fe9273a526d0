"""The one shape of every error answer, and how each exception gets it.

{"error": {"code": "snake_case", "message": "what was got, what was expected, the next step"}}
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import csrf, defaults
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from realtime.errors import LayerUnavailable
from realtime.features.chat.errors import (
    ChatError,
    ClientIdReused,
    InvalidText,
    NotAllowed,
    RoomExists,
    RoomNotFound,
)

logger = logging.getLogger(__name__)

API_PREFIX = "/api/"


class ApiError(Exception):
    """An error that a view has already put into words."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


# For the API's description; `error_response` makes the same shape.
@dataclass(frozen=True, slots=True)
class ErrorDetail:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorBody:
    error: ErrorDetail


def error_response(status: HTTPStatus, code: str, message: str) -> HttpResponse:
    body = msgspec.json.encode(ErrorBody(ErrorDetail(code, message)))
    return HttpResponse(body, status=status, content_type="application/json")


def response_to(error: ApiError) -> HttpResponse:
    response = error_response(error.status, error.code, error.message)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = f"{error.retry_after_seconds}"
    return response


NOT_SIGNED_IN = (
    HTTPStatus.UNAUTHORIZED,
    "not_signed_in",
    "This needs a signed-in account and the request came without one. Sign in by POST /api/session.",
)
TOO_LARGE = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_large",
    "The request's body is larger than 64 KiB. Send less.",
)
INTERNAL = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal_error",
    "The server failed; the request was not at fault. Try again, and tell the operator if it stays.",
)

AWAY = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "topics_away",
    "The topics cannot be reached now. Repeat the request after the seconds in Retry-After.",
)
# The layer looks for its server every second or so.
RETRY_AFTER_SECONDS = 2

_CHAT_STATUS: dict[type[ChatError], HTTPStatus] = {
    InvalidText: HTTPStatus.BAD_REQUEST,
    RoomNotFound: HTTPStatus.NOT_FOUND,
    RoomExists: HTTPStatus.CONFLICT,
    ClientIdReused: HTTPStatus.CONFLICT,
    NotAllowed: HTTPStatus.FORBIDDEN,
}


def install(api: NinjaAPI) -> None:
    """Gives every exception that leaves a view of `api` the one shape."""
    kinds = (
        Exception, ApiError, ChatError, LayerUnavailable, AuthenticationError, ValidationError, HttpError,
    )  # fmt: skip
    for kind in kinds:
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    match error:
        case ApiError():
            return response_to(error)
        case ChatError():
            return error_response(_CHAT_STATUS[type(error)], error.code, str(error))
        case LayerUnavailable():
            # Once, and by the layer, it is logged that it is away; not for each request.
            response = error_response(*AWAY)
            response.headers["Retry-After"] = f"{RETRY_AFTER_SECONDS}"
            return response
        case AuthenticationError():
            return error_response(*NOT_SIGNED_IN)
        case ValidationError():
            return error_response(HTTPStatus.BAD_REQUEST, "invalid_request", _describe(error.errors))
        case HttpError():
            # Ninja's own, for a body that is not JSON.
            return error_response(
                HTTPStatus(error.status_code),
                "bad_request",
                f"{str(error).rstrip('.')}: expected one JSON object in UTF-8. Mend it and send it again.",
            )
        case _:
            logger.error("a view crashed", exc_info=error if isinstance(error, Exception) else None)
            return error_response(*INTERNAL)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """settings.CSRF_FAILURE_VIEW."""
    if not request.path.startswith(API_PREFIX):
        return csrf.csrf_failure(request, reason)
    return error_response(
        HTTPStatus.FORBIDDEN,
        "csrf_failed",
        f"The request was refused: {reason.rstrip('.') or 'CSRF check failed'}. Get a token by "
        "GET /api/session and send it, with the cookies, in the header X-CSRFToken.",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """The project's handler400: for what middleware finds wrong with a request."""
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return error_response(*TOO_LARGE)
    return error_response(
        HTTPStatus.BAD_REQUEST,
        "bad_request",
        "The request is malformed. Compare it with /api/docs and send it again.",
    )


def not_found(request: HttpRequest, exception: Http404) -> HttpResponseBase:
    """The project's handler404."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return error_response(
        HTTPStatus.NOT_FOUND, "not_found", f"Nothing is at {request.path}. /api/docs lists what there is."
    )


def server_error(request: HttpRequest) -> HttpResponseBase:
    """The project's handler500: for what fails outside of the API's views, such as middleware."""
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return error_response(*INTERNAL)


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    response = error_response(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method_not_allowed",
        f"{request.method} is not possible at {request.path}; {allowed} is. See /api/docs.",
    )
    response.headers["Allow"] = allowed
    return response


def _describe(problems: list[dict[str, Any]]) -> str:
    parts = []
    for problem in problems:
        # ("body", "data", "text") → text: the first two are the parser's own words.
        field = ".".join(str(part) for part in problem["loc"][1:] if part != "data") or "body"
        parts.append(f"{field}: {problem['msg']}")
    return f"{'; '.join(parts)}. Mend that and send it again; /api/docs describes the request."
