"""What load balancers and orchestrators ask: does the process run, and should it get traffic."""

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from realtime.runtime import get_runtime


@require_safe
@never_cache
async def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the event loop turns."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
async def ready(request: HttpRequest) -> JsonResponse:
    """200 while new connections are welcome; 503 before the start is over and once the stop begins."""
    if get_runtime().is_ready:
        return JsonResponse({"status": "ready"})
    return JsonResponse({"status": "not ready"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
