"""The project's URLs, and what publishing over HTTP is compared with: views that only answer."""

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Schema

from project.urls import handler400, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]


@csrf_exempt
async def bare(request: HttpRequest) -> JsonResponse:
    """A view as Django's documentation has it: JSON in, JSON out."""
    json.loads(request.body)
    return JsonResponse({"result": {"offset": 1, "epoch": "abcd"}})


class Publication(Schema):
    channel: str
    data: Any


class Result(Schema):
    offset: int
    epoch: str


class Answer(Schema):
    result: Result


ninja = NinjaAPI(urls_namespace="benchmark", docs_url=None, openapi_url=None)


@ninja.post("/publish", response=Answer)
async def checked(request: HttpRequest, publication: Publication) -> dict[str, Any]:
    """The same, with the types of both checked."""
    return {"result": {"offset": 1, "epoch": "abcd"}}


urlpatterns += [path("benchmark/bare", bare), path("benchmark/ninja/", ninja.urls)]
