"""Lets a request in by its API key, and reads its body up to the limit. What the key may do: calls.py."""

from http import HTTPStatus

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from api.errors import RETRY_AFTER_SECONDS, ApiError, response_to
from api.key_rows import key_table
from api.rate import check_rate
from api.server.calls import Sender
from realtime.runtime import get_runtime

_SCHEME = "apikey "


async def admit(request: HttpRequest) -> Sender:
    """Who sends the request. Raises ApiError 401 for a key that is missing or opens nothing, 429 for too
    many requests, and 503 where keys cannot be looked up.
    """
    secret = _secret(request)
    try:
        key = await key_table().find(secret) if secret else None
    except DatabaseError:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "keys_away",
            "The API keys cannot be read now. Repeat the request after the seconds in Retry-After.",
        ) from None
    address = request.META.get("REMOTE_ADDR", "")
    if key is None:
        # Servers with a key may share an address; who tries keys out has the address alone.
        await check_rate(host=address)
        got = "an API key that opens nothing: it is wrong, expired or revoked" if secret else "no API key"
        raise ApiError(
            HTTPStatus.UNAUTHORIZED,
            "invalid_api_key",
            f"The request has {got}. Send a valid one as X-API-Key.",
        )
    await check_rate(api_key=key.id)
    return Sender(key, address)


def read_body(request: HttpRequest) -> bytes:
    """Raises ApiError 413. Django's own limit is that of browsers' requests."""
    most = get_runtime().settings.api_max_body_bytes
    # Reading one more than allowed shows what an announced length may hide.
    body: bytes = request.read(most + 1)
    if len(body) > most:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"The request's body is larger than {most} bytes. Send less, or raise "
            "REALTIME_API_MAX_BODY_BYTES.",
        )
    return body


def answer_to(error: ApiError) -> HttpResponse:
    response = response_to(error)
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            # RFC 9110, section 11.6.1: an answer of this status names what it wants.
            response.headers["WWW-Authenticate"] = "apikey"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = f"{RETRY_AFTER_SECONDS}"
        case _:
            pass
    return response


def _secret(request: HttpRequest) -> str:
    """As Centrifugo's clients send it. A header goes before the address, which others may have logged."""
    header: str = request.META.get("HTTP_X_API_KEY", "")
    if header:
        return header
    authorization: str = request.META.get("HTTP_AUTHORIZATION", "")
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        return authorization[len(_SCHEME) :].strip()
    return request.GET.get("api_key", "") if request.META.get("QUERY_STRING") else ""
