"""The probe's views, and one that tells which process answers."""

import os

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


async def pid(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [path("probe/pid", pid), path("", include("tests.end_to_end.probe_urls"))]
