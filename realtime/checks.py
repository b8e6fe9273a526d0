"""Django system checks: what is wrong with REALTIME stops the server, what is unwise is said."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register

from realtime.conf import Settings, is_debug, load_settings, load_site
from realtime.errors import ConfigurationError
from realtime.production import MIN_SECRET_BYTES, find_faults
from realtime.runtime import build_namespaces


@register("realtime")
def check_settings(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """realtime.E001: a setting is wrong; realtime.E01x: it is in production. The others are warnings."""
    try:
        settings = load_settings()
        namespaces = build_namespaces(settings)
    except ConfigurationError as error:
        return [checks.Error(str(error), id="realtime.E001")]
    site = load_site()
    messages: list[CheckMessage] = [
        checks.Error(fault.text, hint=fault.hint, id=fault.id) for fault in find_faults(site, settings)
    ]
    if not site.is_production:
        messages += _check_secrets(settings)
    if site.is_production and "*" in settings.allowed_origins:
        messages.append(
            checks.Warning(
                "REALTIME['ALLOWED_ORIGINS'] has '*': any page may open a WebSocket, if only with a token.",
                hint="Name the pages' origins, such as https://app.example.com.",
                id="realtime.W004",
            )
        )
    if settings.token_jwks_url and not settings.token_audience:
        messages.append(
            checks.Warning(
                "REALTIME['TOKEN_JWKS_URL'] is set and TOKEN_AUDIENCE is not: tokens that the provider makes "
                "for other applications open connections here, too.",
                hint="Set TOKEN_AUDIENCE to what the provider writes into 'aud' for this site.",
                id="realtime.W005",
            )
        )
    messages += [
        checks.Warning(
            f"Namespace {namespace.name!r} allows deltas or tag filters, which are not offered yet.",
            hint="Clients are served full publications; remove the options to silence this.",
            id="realtime.W003",
        )
        for namespace in namespaces
        if namespace.allowed_delta_types or namespace.delta_publish or namespace.allow_tags_filter
    ]
    return messages


def _check_secrets(settings: Settings) -> list[CheckMessage]:
    warnings: list[CheckMessage] = []
    if settings.insecure_client and not is_debug():
        warnings.append(
            checks.Warning(
                "REALTIME['INSECURE_CLIENT'] is on: anybody may read and write every topic.",
                hint="Set it to False; clients then need a token.",
                id="realtime.W001",
            )
        )
    if 0 < len(settings.token_hmac_secret.encode()) < MIN_SECRET_BYTES:
        warnings.append(
            checks.Warning(
                f"REALTIME['TOKEN_HMAC_SECRET'] is shorter than {MIN_SECRET_BYTES} bytes; it can be guessed.",
                hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"',
                id="realtime.W002",
            )
        )
    return warnings
