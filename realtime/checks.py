"""Django system checks: what is wrong with REALTIME stops the server, what is unwise is said."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register

from realtime.conf import Settings, is_debug, load_settings
from realtime.errors import ConfigurationError
from realtime.runtime import build_namespaces

# RFC 7518, section 3.2: a key for HS256 has at least the hash's 256 bits.
MIN_SECRET_BYTES = 32


@register("realtime")
def check_settings(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """realtime.E001: a setting is wrong. The others are warnings."""
    try:
        settings = load_settings()
        namespaces = build_namespaces(settings)
    except ConfigurationError as error:
        return [checks.Error(str(error), id="realtime.E001")]
    warnings: list[CheckMessage] = [*_check_secrets(settings)]
    warnings += [
        checks.Warning(
            f"Namespace {namespace.name!r} allows deltas or tag filters, which are not offered yet.",
            hint="Clients are served full publications; remove the options to silence this.",
            id="realtime.W003",
        )
        for namespace in namespaces
        if namespace.allowed_delta_types or namespace.delta_publish or namespace.allow_tags_filter
    ]
    return warnings


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
