"""The two account pages that are not allauth's alone."""

import logging
from http import HTTPStatus

from allauth.socialaccount.providers.openid_connect import views as openid_connect
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from requests import RequestException

logger = logging.getLogger(__name__)


class SessionsView(ListUserSessionsView):  # type: ignore[misc]  # allauth has no types.
    """Where an account is signed in. A post with `session` ends that one, without it all others."""

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if "session" not in request.POST:
            answer: HttpResponseBase = super().post(request, *args, **kwargs)
            return answer
        wanted = request.POST["session"]
        # Another account's is as good as none.
        session = UserSession.objects.filter(
            user_id=request.user.pk, pk=int(wanted) if wanted.isdecimal() else None
        ).first()
        if session is None:
            messages.info(request, "That session had ended already.")
        elif session.session_key == request.session.session_key:
            logout(request)
            return redirect("account_login")
        else:
            get_adapter().end_sessions([session])
            messages.success(request, "The session was ended.")
        return redirect("usersessions_list")


sessions = SessionsView.as_view()


def leave_for_provider(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """allauth's, but a post is not redirected to the provider: a page goes there.

    Our content security policy lets forms go to this site only, which browsers also hold against
    redirects, and where a provider asks for the password is known only when it is asked.
    """
    try:
        response: HttpResponse = openid_connect.login(request, provider_id=provider_id)
    except RequestException as error:
        logger.warning("the provider %s cannot be asked: %s", provider_id, error)
        messages.error(request, "That provider cannot be reached now. Try again later, or sign in otherwise.")
        return redirect("socialaccount_connections" if request.user.is_authenticated else "account_login")
    if request.method != "POST" or response.status_code != HTTPStatus.FOUND:
        return response
    return render(request, "socialaccount/leave.html", {"location": response.headers["Location"]})
