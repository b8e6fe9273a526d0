"""Views for tests only: orders to sessions, as the project's own code gives them, and the node registry."""

from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from realtime.orders import Order
from realtime.runtime import get_runtime


async def send(request: HttpRequest) -> HttpResponse:
    await get_runtime().control.send(_order(request))
    return HttpResponse(status=204)


def send_blocking(request: HttpRequest) -> HttpResponse:
    get_runtime().send_order_blocking(_order(request))
    return HttpResponse(status=204)


def _order(request: HttpRequest) -> Order:
    kind: Any = Order
    order: Order = msgspec.json.decode(request.GET["order"], type=kind)
    return order


async def nodes(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"nodes": [msgspec.to_builtins(node) for node in get_runtime().nodes.nodes()]})


urlpatterns = [
    path("probe/send", send),
    path("probe/send-blocking", send_blocking),
    path("probe/nodes", nodes),
    path("", include("tests.end_to_end.probe_urls")),
]
