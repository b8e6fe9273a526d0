"""Where everything is mounted. Sockets are not: see consumers/routing.py."""

from typing import NoReturn

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import Http404, HttpRequest
from django.urls import include, path

from api.urls import api_urls, health_urls
from project.page import page

# With second factors and limits, which the admin's own page does not know.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # As allauth documents it.


def absent(request: HttpRequest) -> NoReturn:
    raise Http404


urlpatterns = [
    path("", page, name="page"),
    path("admin/", admin.site.urls),
    path("accounts/", include("project.accounts.urls")),
    # No account has a telephone number, and allauth's view crashes on a stranger's DELETE.
    path("_allauth/app/v1/account/phone", absent),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/", api_urls),
    path("health/", include(health_urls)),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
