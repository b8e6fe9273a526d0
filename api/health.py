"""What load balancers and orchestrators ask: does the process run, and should it get traffic."""

from dataclasses import asdict
from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from realtime.runtime import Runtime, get_runtime


@require_safe
@never_cache
async def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the event loop turns."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
async def ready(request: HttpRequest) -> JsonResponse:
    """200 while new connections are welcome; else 503, with the reason.

    What waits in the outbox is shown, and is no reason: another process would not be further.
    """
    runtime = get_runtime()
    reason = _find_reason_against(runtime)
    outbox = {"outbox": asdict(runtime.outbox.stats)} if runtime.outbox.is_running else {}
    if not reason:
        return JsonResponse({"status": "ready", **outbox})
    return JsonResponse(
        {"status": "not ready", "reason": reason, **outbox}, status=HTTPStatus.SERVICE_UNAVAILABLE
    )


def _find_reason_against(runtime: Runtime) -> str:
    """Why this process should get no new clients; empty where it should."""
    if runtime.is_draining:
        return "stopping"
    if not runtime.layer.is_available:
        # Before the next: without it no start is ever over.
        return "the topic layer is away"
    if not runtime.is_ready:
        return "starting"
    return ""
