"""Static files for the ASGI server: WhiteNoise's lookup and headers, without its synchronous path.

WhiteNoise's own middleware is synchronous, so under ASGI every request of the site would go through
a thread for it, and Django warns for each file that it streams.
"""

import asyncio
from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types.
    """Answers requests below STATIC_URL; passes on all others without leaving the event loop."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        super().__init__(get_response)
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self.static_prefix):
            return await self.get_response(request)
        response = await asyncio.to_thread(self._respond, request)
        return response if response is not None else await self.get_response(request)

    def _respond(self, request: HttpRequest) -> HttpResponse | None:
        path = request.path_info
        static_file = self.find_file(path) if self.autorefresh else self.files.get(path)
        return None if static_file is None else _read(static_file, request)


def _read(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
    answer = static_file.get_response(request.method, request.META)
    body = b""
    if answer.file is not None:
        # In one piece: the site's own files are a few hundred kilobytes at most.
        with answer.file as file:
            body = file.read()
    response = HttpResponse(body, status=answer.status)
    # WhiteNoise sets the type where there is one; Django's default would mislabel a 304.
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    return response
