"""Where everything is mounted. Sockets are not: see consumers/routing.py."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from api.urls import api_urls, health_urls
from project.page import page

# With second factors and limits, which the admin's own page does not know.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", page, name="page"),
    path("admin/", admin.site.urls),
    path("accounts/", include("project.accounts.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/", api_urls),
    path("health/", include(health_urls)),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
