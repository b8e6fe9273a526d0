"""Logins: the site's sign-ins, as far as connections hang on them. Where they are kept is a store's to say.

A *login* is one sign-in of one account, such as a browser's Django session. A connection that was
opened by its cookie, or with a token made for it, ends with it: at logout, when the password is
changed, when the account is deactivated. What names a login is its *key*, which is a secret (with it
anybody is signed in), so that tokens carry it sealed, and orders carry its *id*, from which nobody
gets back to the key.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Login:
    """`info` is what other members see of the user, as JSON; `expires_at` Unix seconds, None: unknown."""

    id: str
    user: str
    info: bytes
    expires_at: float | None = None


class Logins(Protocol):
    def seal(self, key: str) -> str:
        """What a token carries: this site alone can read it."""

    def unseal(self, sealed: str) -> str:
        """The key again; "" for what this site did not seal."""

    async def fetch(self, key: str) -> Login | None:
        """Looks it up where it is kept, at every call. None: there is none, or it has ended."""


class NoLogins:
    """Of a site without sign-ins."""

    def seal(self, key: str) -> str:
        return ""

    def unseal(self, sealed: str) -> str:
        return ""

    async def fetch(self, key: str) -> Login | None:
        return None
