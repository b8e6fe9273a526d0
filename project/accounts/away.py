"""What people see while attempts cannot be counted: Redis, which counts them for all workers, is away."""

import logging
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from redis.exceptions import RedisError

from api.errors import RETRY_AFTER_SECONDS, error_response

logger = logging.getLogger(__name__)


class AwayMiddleware(MiddlewareMixin):
    """Answers 503 with Retry-After where a view failed for want of Redis.

    The view is right to fail: uncounted, passwords could be tried at will.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, RedisError):
            return None
        logger.warning("%s cannot be served while attempts cannot be counted: %s", request.path, exception)
        if request.path.startswith("/_allauth/"):
            response = error_response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "accounts_away",
                "Accounts cannot be reached now. Repeat the request after the seconds in Retry-After.",
            )
        else:
            response = render(request, "503.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers["Retry-After"] = f"{RETRY_AFTER_SECONDS}"
        return response
