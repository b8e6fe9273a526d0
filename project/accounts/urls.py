"""The pages of an account, below /accounts/: allauth's, and what is ours in place of its own."""

from django.urls import include, path

from project.accounts import views

urlpatterns = [
    # These stand before allauth's of the same names.
    path("sessions/", views.sessions, name="usersessions_list"),
    path("oidc/<str:provider_id>/login/", views.leave_for_provider, name="openid_connect_login"),
    path("", include("allauth.urls")),
]
