"""POST /api/<method>: the server API as Centrifugo's clients speak it. The decisions are in calls.py.

A call is answered with 200, and in it either a result or a numbered error; other statuses say that
nothing was called: 400 no JSON, 401 no valid key, 405 no POST, 413 too large, 503 no look at the keys.
"""

from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api.errors import ApiError, method_not_allowed
from api.server.access import admit, answer_to, read_body
from api.server.calls import METHODS, Method, Sender, attempt, describe, perform_batch
from api.server.requests import BatchRequest, Failure, Response
from realtime.errors import CommandError, ErrorCode

View = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]
Answer = Callable[[Sender, bytes], Awaitable[Any]]

_encode = msgspec.json.Encoder().encode


def _view(answer: Answer) -> View:
    # No cookie authenticates here, so there is nothing that another site's page could make use of.
    @csrf_exempt
    async def view(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return method_not_allowed(request, "POST")
        try:
            sender = await admit(request)
            content = await answer(sender, read_body(request))
        except ApiError as error:
            return answer_to(error)
        response = HttpResponse(_encode(content), content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return view


def _method_view(method: Method) -> View:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(method.request)

    async def answer(sender: Sender, body: bytes) -> Response:
        try:
            request = _decode(decoder, body)
        except CommandError as error:
            return Response(error=describe(error))
        return await attempt(sender, method, request)

    return _view(answer)


def _batch_view() -> View:
    decoder = msgspec.json.Decoder(BatchRequest)

    async def answer(sender: Sender, body: bytes) -> dict[str, list[dict[str, Any]] | Failure]:
        try:
            return {"replies": await perform_batch(sender, _decode(decoder, body))}
        except CommandError as error:
            return {"error": describe(error)}

    return _view(answer)


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Raises CommandError 107 for JSON of another shape, ApiError 400 for what is no JSON."""
    try:
        # msgspec leaves what it copies as it is; no half of a character may get any further.
        if not body.isascii():
            body.decode()
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        raise CommandError(ErrorCode.BAD_REQUEST, str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            f"The body is no JSON: {error}. Send one JSON object in UTF-8.",
        ) from None


# Name → view: api/urls.py mounts them, and direct.py finds them by it.
VIEWS: dict[str, View] = {
    **{name: _method_view(method) for name, method in METHODS.items()},
    "batch": _batch_view(),
}
