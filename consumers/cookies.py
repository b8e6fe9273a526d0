"""The login that a browser's handshake brings along, where its page may use it. Who it is, others look up.

Browsers send a site's cookies with every WebSocket to it, whichever page opens it. So a cookie counts
only together with an Origin that says that the page is one of ours (RFC 6455, section 10.2), which no
page can forge: without one nobody knows whose page it is.
"""

from collections.abc import Collection
from typing import Any

from django.http import parse_cookie

from consumers.origin import OriginGuard

# Where in the scope the consumers find it.
LOGIN_KEY = "login_key"


class CookieLogins:
    """ASGI middleware: puts the login's key into the scope, where there is one to trust.

    `allowed_origins` as for OriginGuard, but that `*` lets no page use another site's logins.
    `needs_https`: cookies that are for https alone serve no page that came over plain http.
    """

    def __init__(
        self, application: Any, *, cookie_name: str, allowed_origins: Collection[str], needs_https: bool
    ) -> None:
        self._application = application
        self._cookie_name = cookie_name
        self._needs_https = needs_https
        self._guard = OriginGuard(application, [origin for origin in allowed_origins if origin != "*"])

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        # Not async: a frame that only waits for the next one would live as long as the connection.
        key = self._read(scope)
        return self._application({**scope, LOGIN_KEY: key} if key else scope, receive, send)

    def _read(self, scope: dict[str, Any]) -> str:
        if not self._guard.knows_page(scope, needs_https=self._needs_https):
            return ""
        header: bytes = dict(scope.get("headers", ())).get(b"cookie", b"")
        return parse_cookie(header.decode("latin-1")).get(self._cookie_name, "")
