"""How the audit log is written: in the transaction of what was done, or soon, by a thread of its own."""

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from realtime.features.audit.models import (
    ACTION_LENGTH,
    ACTOR_ID_LENGTH,
    ACTOR_NAME_LENGTH,
    TARGET_LENGTH,
    ActorKind,
    Entry,
    Outcome,
)
from realtime.features.audit.writer import Writer

# What is being answered, where something is; set by middleware.py.
current_request: ContextVar[HttpRequest | None] = ContextVar("current_request", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it. The name is what people call it: a user name, or an API key's."""

    kind: ActorKind
    id: str = ""
    name: str = ""

    @classmethod
    def user(cls, user: AbstractBaseUser) -> "Actor":
        return cls(kind=ActorKind.USER, id=f"{user.pk}", name=user.get_username())

    @classmethod
    def api_key(cls, key_id: str, name: str = "") -> "Actor":
        return cls(kind=ActorKind.API_KEY, id=key_id, name=name)

    @classmethod
    def command(cls, name: str) -> "Actor":
        """A management command, by its name."""
        return cls(kind=ActorKind.COMMAND, name=name)


def current_actor() -> Actor:
    """Whose request is being answered; the command line's where there is none. It may ask the database."""
    request = current_request.get()
    if request is None:
        return Actor.command(sys.argv[1] if len(sys.argv) > 1 else "")
    user = getattr(request, "user", None)
    return Actor.user(user) if isinstance(user, AbstractBaseUser) else STRANGER


STRANGER = Actor(kind=ActorKind.STRANGER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done. `action` is `subject.verb`; details are JSON, and never a secret or a payload."""

    action: str
    actor: Actor
    target: str = ""
    outcome: Outcome = Outcome.DONE
    # None: that of the current request, where there is one.
    ip: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def record(deed: Deed) -> None:
    """Writes it now: a transaction that is under way takes it along, and rolls it back with the rest."""
    _entry(deed).save(force_insert=True)


async def arecord(deed: Deed) -> None:
    """`record` from async code."""
    await sync_to_async(record)(deed)


def record_soon(deed: Deed) -> None:
    """Has it written by another thread, and does not wait: for whatever may happen often.

    Where that thread cannot keep up, or the database is away, the entry goes into the program's log
    instead, without its details.
    """
    writer.add(_entry(deed))


def _entry(deed: Deed) -> Entry:
    actor = deed.actor
    return Entry(
        actor_id=_fit(actor.id, ACTOR_ID_LENGTH),
        actor_name=_fit(actor.name, ACTOR_NAME_LENGTH),
        action=_fit(deed.action, ACTION_LENGTH),
        target=_fit(deed.target, TARGET_LENGTH),
        actor_kind=actor.kind,
        ip=_parse_ip(deed.ip or _current_ip()),
        outcome=deed.outcome,
        details=dict(deed.details),
    )


def _current_ip() -> str | None:
    # By now the address is that of the client, not of a proxy (project/trusted_proxies.py).
    request = current_request.get()
    return None if request is None else request.META.get("REMOTE_ADDR")


def _parse_ip(text: str | None) -> str | None:
    # A server behind a Unix socket knows no address, or a made-up one.
    try:
        return f"{ip_address(text)}" if text else None
    except ValueError:
        return None


def _fit(text: str, length: int) -> str:
    # PostgreSQL stores no NUL, and neither database half of a surrogate pair.
    return text.replace("\0", "").encode(errors="replace").decode()[:length]


writer = Writer()
