"""The page itself: a shell that loads the built frontend, or says how to build it."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_vite.core.exceptions import DjangoViteAssetNotFoundError

from project.security_headers import TRUSTED_TYPES


@require_safe
@never_cache
async def page(request: HttpRequest) -> HttpResponse:
    try:
        response = render(request, "app.html")
    except DjangoViteAssetNotFoundError:
        return render(request, "not_built.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
    response._csp_update = TRUSTED_TYPES  # type: ignore[attr-defined]  # noqa: SLF001  # As django-csp's decorator, which knows no async views.
    return response
