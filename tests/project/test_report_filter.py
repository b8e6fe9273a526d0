"""No password of a database or of Redis stands on an error page."""

from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

ADDRESS = "redis://:a-password-of-redis@cache.example.com:6379/0"


def make_page() -> str:
    request = RequestFactory().get("/")
    return ExceptionReporter(request, RuntimeError, RuntimeError("an error"), None).get_traceback_html()


@override_settings(
    CHANNEL_LAYERS={"default": {"BACKEND": "a.backend", "CONFIG": {"hosts": [ADDRESS], "prefix": "shown"}}},
    CACHE_URL=ADDRESS,
)
def test_an_error_page_hides_addresses_and_shows_the_rest() -> None:
    page = make_page()

    assert "a-password-of-redis" not in page
    assert "shown" in page
