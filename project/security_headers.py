"""What browsers may do with the site's answers: the content security policy, and headers like it.

HTTPS, referrers and frames are Django's own (SecurityMiddleware, XFrameOptionsMiddleware).
"""

from typing import Any

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase

SELF, NONE = "'self'", "'none'"

# Everything comes from the site itself, and nothing that runs or styles may stand in a page's own text.
# 'self' covers WebSockets to the page's own host and port (Content Security Policy 3, section 6.7.2.8),
# in every browser that the page is built for.
DIRECTIVES: dict[str, Any] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    # The pages' empty icon, and pictures in style sheets of the admin and of /api/docs.
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "manifest-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}

# For pages that write no HTML by script: there, what an injection would need throws instead.
TRUSTED_TYPES: dict[str, Any] = {"require-trusted-types-for": ["'script'"], "trusted-types": [NONE]}

_UNUSED_FEATURES = (
    "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope",
    "magnetometer", "microphone", "midi", "payment", "usb", "xr-spatial-tracking",
)  # fmt: skip

HEADERS = {
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES),
    # No page elsewhere can embed an answer, and by that measure or read what is in it.
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeadersMiddleware(CSPMiddleware):
    """django-csp's, with HEADERS besides, and without its detour through a thread: it only computes."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]  # Async here.
        return self.process_response(request, response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return super().process_response(request, response)
