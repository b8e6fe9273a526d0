"""What must never be so in production, whoever built the settings on project.settings.prod."""

from collections.abc import Iterator
from dataclasses import dataclass

from realtime.conf import Settings, Site
from realtime.errors import ConfigurationError

# RFC 7518, section 3.2: a key for HS256 has at least the hash's 256 bits.
MIN_SECRET_BYTES = 32
# A random text of 32 letters and digits has fewer about once in 10^13.
MIN_DISTINCT_CHARACTERS = 10
# Of secrets that stand in public files, this project's and others'.
WELL_KNOWN = ("django-insecure", "development-only", "test-only", "changeme", "change-me", "change_me")
NEW_SECRET = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(48))"'  # noqa: S105  # It is how to make one.


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and what to do. Never the secret itself."""

    id: str
    text: str
    hint: str

    def __str__(self) -> str:
        return f"{self.text} {self.hint}"


def refuse_unsafe(site: Site, settings: Settings) -> None:
    """Raises ConfigurationError for the first fault. Nothing is one outside of production."""
    for fault in find_faults(site, settings):
        raise ConfigurationError(f"{fault}")


def find_faults(site: Site, settings: Settings) -> Iterator[Fault]:
    if not site.is_production:
        return
    yield from _find_weak_secrets(site, settings)
    yield from _find_open_doors(site, settings)


def _find_weak_secrets(site: Site, settings: Settings) -> Iterator[Fault]:
    if reason := _weakness(site.secret_key):
        yield Fault("realtime.E010", f"SECRET_KEY {reason}.", NEW_SECRET)
    # Without one, no token of this kind is accepted.
    if settings.token_hmac_secret and (reason := _weakness(settings.token_hmac_secret)):
        yield Fault("realtime.E011", f"REALTIME['TOKEN_HMAC_SECRET'] {reason}.", NEW_SECRET)
    if settings.token_hmac_secret and settings.token_hmac_secret == site.secret_key:
        yield Fault(
            "realtime.E012",
            "REALTIME['TOKEN_HMAC_SECRET'] is the same as SECRET_KEY: who may sign tokens could sign in as "
            "anybody.",
            NEW_SECRET,
        )
    for number, key in enumerate(settings.api_keys, start=1):
        if reason := _weakness(key):
            yield Fault("realtime.E013", f"REALTIME['API_KEYS'], number {number}, {reason}.", NEW_SECRET)


def _find_open_doors(site: Site, settings: Settings) -> Iterator[Fault]:
    if site.is_debug:
        yield Fault("realtime.E014", "DEBUG is on: error pages show the program's inside.", "Turn it off.")
    if settings.insecure_client:
        yield Fault(
            "realtime.E015",
            "REALTIME['INSECURE_CLIENT'] is on: anybody may read and write every topic.",
            "Set it to False; clients then need a token.",
        )
    if "*" in site.allowed_hosts:
        yield Fault(
            "realtime.E016",
            "ALLOWED_HOSTS has '*': whoever sends a request chooses the host in the links of our e-mails.",
            "Name the site's own, such as ALLOWED_HOSTS=chat.example.com.",
        )
    if any(origin.partition("://")[2] == "*" for origin in site.csrf_trusted_origins):
        yield Fault(
            "realtime.E017",
            "CSRF_TRUSTED_ORIGINS trusts every host: any page could post as its visitor.",
            "Name the origins, such as https://app.example.com.",
        )


def _weakness(secret: str) -> str:
    """Why it can be guessed; empty where it cannot."""
    if not secret:
        return "is empty"
    if any(mark in secret.lower() for mark in WELL_KNOWN):
        return "is one that everybody knows"
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes; it can be guessed"
    if len(set(secret)) < MIN_DISTINCT_CHARACTERS:
        return f"has fewer than {MIN_DISTINCT_CHARACTERS} different characters; it can be guessed"
    return ""
