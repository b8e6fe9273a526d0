"""What of the server API's calls goes into the audit log: orders, refusals, and how much a key publishes.

Reading is not written down, nor is each publication: those are counted, by key and minute.
"""

import asyncio
import time
from collections import Counter
from typing import Any

from api.keys import Key, Scope
from realtime.errors import CommandError, ErrorCode
from realtime.features.audit.log import Actor, Deed, record_soon
from realtime.features.audit.models import Outcome

ORDERS = frozenset((Scope.SUBSCRIPTIONS, Scope.CONNECTIONS, Scope.HISTORY_REMOVE))
COUNT_SECONDS = 60.0
# A server that does not notice that it is refused would fill the log with nothing else.
REFUSALS_PAUSE_SECONDS = 60.0

# Publications by the id and the name of their key.
_published: Counter[tuple[str, str]] = Counter()
_counting: list[asyncio.TimerHandle] = []
_refused_at: dict[tuple[str, str], float] = {}


def note_done(key: Key, ip: str, name: str, scope: Scope, request: Any) -> None:
    """A call that was carried out."""
    if scope is Scope.PUBLISH:
        _count(key, len(request.topics))
    elif scope in ORDERS:
        _write(key, ip, name, request, outcome=Outcome.DONE, details={})


def note_failed(key: Key, ip: str, name: str, scope: Scope, request: Any, *, error: CommandError) -> None:
    """A call that was not, or not wholly."""
    details = {"error": error.code.value, "text": error.code.text}
    if error.code is ErrorCode.PERMISSION_DENIED:
        now = time.monotonic()
        if now - _refused_at.get((key.id, name), float("-inf")) >= REFUSALS_PAUSE_SECONDS:
            _refused_at[key.id, name] = now
            _write(key, ip, name, request, outcome=Outcome.DENIED, details=details)
    elif scope in ORDERS:
        _write(key, ip, name, request, outcome=Outcome.FAILED, details=details)


def write_counts() -> None:
    """What was published since the last time. Of a process that ends, the last minute is not written."""
    for timer in _counting:
        timer.cancel()
    _counting.clear()
    for (id_, name), count in _published.items():
        details = {"publications": count, "seconds": COUNT_SECONDS}
        record_soon(Deed(action="api.publish", actor=Actor.api_key(id_, name), details=details))
    _published.clear()


def _count(key: Key, publications: int) -> None:
    if not _counting:
        _counting.append(asyncio.get_running_loop().call_later(COUNT_SECONDS, write_counts))
    _published[key.id, key.name] += publications


def _write(key: Key, ip: str, name: str, request: Any, *, outcome: Outcome, details: dict[str, Any]) -> None:
    if request.topics:
        details = {**details, "topics": list(request.topics[:10])}
    for option in ("client", "expired", "disconnect"):
        if value := getattr(request, option, None):
            details[option] = value if isinstance(value, str | bool) else value.code
    user = getattr(request, "user", "")
    target = f"user:{user}" if user else f"topic:{request.topics[0]}" if request.topics else ""
    record_soon(
        Deed(
            action=f"api.{name}",
            actor=Actor.api_key(key.id, key.name),
            target=target,
            ip=ip or None,
            outcome=outcome,
            details=details,
        )
    )
