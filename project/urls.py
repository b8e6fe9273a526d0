"""Where everything is mounted. Sockets are not: see consumers/routing.py."""

from django.contrib import admin
from django.urls import include, path

from api.urls import api_urls, health_urls
from project.page import page

urlpatterns = [
    path("", page, name="page"),
    path("admin/", admin.site.urls),
    path("api/", api_urls),
    path("health/", include(health_urls)),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
