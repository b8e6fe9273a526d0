"""The provider's pages and endpoints."""

from django.urls import include, path

from project.urls import urlpatterns as site_urls

urlpatterns = [*site_urls, path("", include("allauth.idp.urls"))]
