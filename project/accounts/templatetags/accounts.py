"""What the templates of account pages need besides allauth's tags."""

from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from django import template
from django.conf import settings  # noqa: TID251 -- asks for Django's own EMAIL_BACKEND.
from django.forms import BoundField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django_vite.core.exceptions import DjangoViteAssetNotFoundError
from django_vite.templatetags.django_vite import vite_asset

from project.settings import environment

register = template.Library()


@dataclass(frozen=True, slots=True)
class NavigationItem:
    url: str
    text: str
    is_current: bool


_PAGES = (
    ("account_email", "E-mail"),
    ("account_change_password", "Password"),
    ("mfa_index", "Second factor"),
    ("usersessions_list", "Sessions"),
)


@register.simple_tag
def account_assets() -> SafeString:
    """Styles and script; nothing where the frontend is not built: the pages work without."""
    try:
        return mark_safe(f"{vite_asset('src/accounts.tsx')}")  # noqa: S308 -- django-vite's own tags.
    except DjangoViteAssetNotFoundError:
        return SafeString()


@register.simple_tag(takes_context=True)
def account_navigation(context: dict[str, Any]) -> list[NavigationItem]:
    request: HttpRequest = context["request"]
    pages = list(_PAGES)
    if get_adapter().list_providers(request):
        pages.append(("socialaccount_connections", "Connections"))
    return [_item(request, reverse(name), text) for name, text in pages]


def _item(request: HttpRequest, url: str, text: str) -> NavigationItem:
    return NavigationItem(url, text, is_current=request.path.startswith(url))


@register.simple_tag
def is_sign_up_open() -> bool:
    return environment.SIGN_UP.read()


@register.simple_tag
def sends_email() -> bool:
    """Where it does not, nobody is sent to wait for a message."""
    return not settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend")


@register.filter
def without_placeholder(field: BoundField) -> BoundField:
    """Labels say it, and stay while one types."""
    field.field.widget.attrs.pop("placeholder", None)
    return field


@register.filter
def browser_name(user_agent: str) -> str:
    """ "Firefox on Linux"; what cannot be told apart stays as it was sent."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if not browser:
        return user_agent[:60] or "Unknown"
    return f"{browser} on {system}" if system else browser


# The first that fits: most browsers name others, too.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("FxiOS/", "Firefox"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
