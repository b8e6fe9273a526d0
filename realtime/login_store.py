"""Logins as Django keeps them: rows of sessions and of accounts. It changes nothing there."""

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from realtime.conf import SiteLogins, load_site_logins
from realtime.hooks import Hooks
from realtime.logins import Login, Logins, NoLogins

if TYPE_CHECKING:
    # The runtime is imported before there are models, by settings that name namespaces with rules.
    from django.contrib.auth.base_user import AbstractBaseUser

# Engines that keep all of a session in the cookie make long ones; no key in a row has more than 40.
MAX_KEY_CHARACTERS = 128


def make_logins(hooks: Hooks) -> Logins:
    """The site's, or none where it has no accounts or no sessions."""
    if not has_logins():
        return NoLogins()
    return DjangoLogins(site=load_site_logins(), hooks=hooks)


def has_logins() -> bool:
    return apps.is_installed("django.contrib.auth") and apps.is_installed("django.contrib.sessions")


class DjangoLogins:
    """Implements Logins (realtime/logins.py). Two queries for a login, each by a primary key."""

    def __init__(self, *, site: SiteLogins, hooks: Hooks) -> None:
        self._site = site
        self._hooks = hooks
        self._cipher = MultiFernet([_make_cipher(secret) for secret in site.secret_keys])

    def seal(self, key: str) -> str:
        return self._cipher.encrypt(key.encode()).decode()

    def unseal(self, sealed: str) -> str:
        try:
            return self._cipher.decrypt(sealed).decode()
        except (InvalidToken, ValueError):
            return ""

    async def fetch(self, key: str) -> Login | None:
        if not key or len(key) > MAX_KEY_CHARACTERS or not key.isprintable() or not key.isascii():
            return None
        login: Login | None = await self._hooks.call(self._read, key)
        return login

    def _read(self, key: str) -> Login | None:
        data, expires_at = self._read_session(key)
        user = self._read_user(data)
        if user is None:
            return None
        info = msgspec.json.encode({"name": _display_name(user)})
        return Login(id=login_id(key), user=str(user.pk), info=info, expires_at=expires_at)

    def _read_session(self, key: str) -> tuple[dict[str, Any], float | None]:
        store = self._site.store(key)
        if not hasattr(store, "get_model_class"):
            # No row, and so nobody but the engine knows when it ends.
            return store.load(), None
        # The row itself: `load` tells neither when it expires nor, with a cache, that it is gone.
        row = store.get_model_class().objects.filter(session_key=key, expire_date__gt=timezone.now()).first()
        if row is None:
            return {}, None
        return store.decode(row.session_data), row.expire_date.timestamp()

    def _read_user(self, data: dict[str, Any]) -> "AbstractBaseUser | None":
        """As django.contrib.auth.get_user, which would also end or renew the session in passing."""
        path = data.get(BACKEND_SESSION_KEY)
        if path not in self._site.authentication_backends:
            return None
        try:
            # Always a text there, whatever the key's type.
            user_id = get_user_model()._meta.pk.to_python(data.get(SESSION_KEY))
        except ValidationError:
            return None
        # It gives none for who is inactive.
        user: AbstractBaseUser | None = load_backend(path).get_user(user_id)
        if user is None:
            return None
        # Of the password: a changed one ends all other sessions.
        known = data.get(HASH_SESSION_KEY, "")
        hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
        return user if any(constant_time_compare(known, each) for each in hashes) else None


def login_id(key: str) -> str:
    """Keyed with SECRET_KEY: who reads it, in Redis say, cannot tell the key."""
    return salted_hmac("realtime.logins.id", key, algorithm="sha256").hexdigest()[:32]


def _make_cipher(secret: str | bytes) -> Fernet:
    key = salted_hmac("realtime.logins.seal", "", secret=secret, algorithm="sha256").digest()
    # The time stands in what Fernet makes; nothing here goes by it.
    return Fernet(base64.urlsafe_b64encode(key))


def _display_name(user: "AbstractBaseUser") -> str:
    full_name = getattr(user, "get_full_name", str)()
    return full_name or user.get_username()
