"""Every address of the site, and who may come in there: a new one without a row here fails the tests."""

import re
from collections.abc import Iterator
from enum import Enum

from django.urls import URLResolver, get_resolver


class Door(Enum):
    # For everybody; what changes something still needs the token against forged requests.
    PUBLIC = "public"
    # For whoever is signed in, and about their own things.
    OWN = "own"
    # For those who hold a secret that came by e-mail.
    LINK = "link"
    # For other servers, by API key; no cookie counts.
    KEY = "key"
    # For apps, by the token of their session; no cookie counts.
    APP = "app"
    # The same, before anybody is signed in.
    APP_PUBLIC = "app, public"
    STAFF = "staff"


def routes() -> Iterator[str]:
    """As Django has them, several of the same name once."""
    yield from sorted(set(_walk(get_resolver(), "")))


def fill(route: str) -> str:
    """An address of the route, with something in each of its places."""
    path = re.sub(r"\(\?P<[^>]+>(?:[^()]|\([^()]*\))*\)", "1", route.replace("^", "").replace("$", ""))
    return "/" + re.sub(r"<[^>]+>", "1", path)


def _walk(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, route)
        else:
            yield route


def _rows(door: Door, prefix: str, text: str) -> dict[str, Door]:
    return {prefix + ("" if route == "." else route): door for route in text.split()}


DOORS: dict[str, Door] = {
    "": Door.PUBLIC,
    **_rows(Door.PUBLIC, "health/", "live ready"),
    # api/session says whether somebody is signed in.
    **_rows(Door.PUBLIC, "api/", ". session docs openapi.json v1/ v1/docs v1/openapi.json"),
    **_rows(Door.OWN, "api/", "connection-token subscription-token chat/rooms chat/rooms/<slug>/messages"),
    **_rows(
        Door.KEY,
        "api/",
        "publish broadcast subscribe unsubscribe disconnect refresh presence presence_stats history "
        "history_remove channels info batch",
    ),
    **_rows(
        Door.KEY,
        "api/v1/",
        "nodes topics publications topics/<path:topic>/publications topics/<path:topic>/history "
        "topics/<path:topic>/presence topics/<path:topic>/presence-stats users/<path:user>/subscriptions "
        "users/<path:user>/subscriptions/<path:topic> users/<path:user>/disconnect users/<path:user>/refresh",
    ),
    **_rows(
        Door.PUBLIC,
        "accounts/",
        "login/ logout/ inactive/ signup/ confirm-email/ password/reset/ password/reset/done/ "
        "password/reset/key/done/ login/code/confirm/ 2fa/authenticate/ 2fa/webauthn/login/ "
        "3rdparty/login/cancelled/ 3rdparty/login/error/ 3rdparty/signup/ social/login/cancelled/ "
        "social/login/error/ social/signup/ social/connections/ oidc/<str:provider_id>/login/ "
        "oidc/^(?P<provider_id>[^/]+)/login/ oidc/^(?P<provider_id>[^/]+)/login/callback/",
    ),
    **_rows(
        Door.LINK,
        "accounts/",
        r"^confirm-email/(?P<key>[-:\w]+)/$ "
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
    ),
    **_rows(
        Door.OWN,
        "accounts/",
        "sessions/ reauthenticate/ email/ password/change/ password/set/ 2fa/ 2fa/reauthenticate/ "
        "2fa/totp/activate/ 2fa/totp/deactivate/ 2fa/recovery-codes/ 2fa/recovery-codes/generate/ "
        "2fa/recovery-codes/download/ 2fa/webauthn/ 2fa/webauthn/add/ 2fa/webauthn/reauthenticate/ "
        "2fa/webauthn/keys/<int:pk>/remove/ 2fa/webauthn/keys/<int:pk>/edit/ 3rdparty/",
    ),
    **_rows(
        Door.APP_PUBLIC,
        "_allauth/app/v1/",
        "config auth/code/confirm auth/password/request auth/password/reset auth/login auth/signup "
        "auth/email/verify auth/email/verify/resend auth/phone/verify auth/phone/verify/resend "
        "auth/provider/signup auth/provider/redirect auth/provider/token auth/2fa/authenticate "
        "auth/webauthn/authenticate auth/webauthn/login tokens/refresh account/phone",
    ),
    **_rows(
        Door.APP,
        "_allauth/app/v1/",
        "auth/session auth/reauthenticate auth/2fa/reauthenticate auth/webauthn/reauthenticate "
        "auth/sessions account/password/change account/email account/providers "
        "account/authenticators account/authenticators/totp account/authenticators/recovery-codes "
        "account/authenticators/webauthn",
    ),
}


def door_of(route: str) -> Door | None:
    """Everything below admin/ is for staff, but for what signs them in and out."""
    if route.startswith("admin/"):
        return Door.PUBLIC if route in {"admin/login/", "admin/logout/", "admin/jsi18n/"} else Door.STAFF
    return DOORS.get(route)
