"""What stands around every view of the API: JSON, the CSRF check, limits, one shape for a 405."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import msgspec
from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from api.errors import TOO_LARGE, ApiError, error_response, method_not_allowed, response_to
from api.rate import check_rate

View = Callable[..., Awaitable[HttpResponseBase]]


class JsonParser(Parser):
    """Strict JSON: no NaN, and no half of a surrogate pair, which nothing could store or send on."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return msgspec.json.decode(request.body, type=dict[str, Any])


class JsonRenderer(BaseRenderer):
    """Writes times as publications do: a message is the same to the letter, however it comes."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return msgspec.json.encode(data)


def guard(pattern: URLPattern | URLResolver) -> URLPattern | URLResolver:
    """Puts the guard before a pattern's view. Ninja's plain pages (its docs) stay as they are."""
    if isinstance(pattern, URLPattern) and iscoroutinefunction(pattern.callback):
        pattern.callback = _guarded(pattern.callback)
    return pattern


def _guarded(view: View) -> View:
    # Ninja marks its views as exempt from Django's CSRF check. The wrapper does not carry the mark
    # on, so that the check is the same for all of them, signing in included.
    @wraps(view, updated=())
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            await check_rate(host=request.META.get("REMOTE_ADDR", ""))
        except ApiError as error:
            return response_to(error)
        try:
            # Reading it is what makes Django hold it against DATA_UPLOAD_MAX_MEMORY_SIZE.
            _ = request.body
        except RequestDataTooBig:
            return error_response(*TOO_LARGE)
        response = await view(request, *args, **kwargs)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return method_not_allowed(request, response.headers["Allow"])
        return response

    return guarded
