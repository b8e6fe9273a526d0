"""API keys as values: how a secret is written, what a key may do, and the table that knows them. No rows.

A secret is `sb_<id>_<random>`. The id is shown in the admin and in logs; the whole is shown once, and
only its SHA-256 is kept: 256 random bits need no slow hash, as there is nothing to guess.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from realtime.errors import CommandError
from realtime.topics.name import TopicName

logger = logging.getLogger(__name__)

MARK = "sb"
# How long a key works on in other processes after it was revoked; in this one it ends at once.
FRESH_SECONDS = 5.0
# For so long the keys are believed that were read last, should the database be away: publishing goes
# on through its failover. Nobody can revoke a key there meanwhile.
STALE_SECONDS = 60.0
# A secret that nobody knows may be new. The rows are read again for it, and this rarely, so that a
# stranger who guesses causes no more reads than that.
RELOAD_PAUSE_SECONDS = 0.25
RELOAD_PATIENCE_SECONDS = 1.0
# How exact "last used" is.
STAMP_SECONDS = 60.0

# In `namespaces`: every namespace, and the one of topics without a colon.
ANY_NAMESPACE = "*"
DEFAULT_NAMESPACE = ""


class Scope(StrEnum):
    """A group of methods that a key may call."""

    PUBLISH = "publish"
    SUBSCRIPTIONS = "subscriptions"
    CONNECTIONS = "connections"
    PRESENCE = "presence"
    HISTORY = "history"
    HISTORY_REMOVE = "history_remove"
    INFO = "info"


SCOPE_TEXTS: Mapping[Scope, str] = {
    Scope.PUBLISH: "publish, broadcast",
    Scope.SUBSCRIPTIONS: "subscribe and unsubscribe users",
    Scope.CONNECTIONS: "disconnect users and refresh their connections, in every namespace",
    Scope.PRESENCE: "see who is in a topic",
    Scope.HISTORY: "read the history of topics",
    Scope.HISTORY_REMOVE: "remove the history of topics",
    Scope.INFO: "list topics with subscribers, and the server's processes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`id` is what may be shown. `digests`: those of its secrets, each with when it ends to be valid.

    Times are Unix seconds; None: never.
    """

    id: str
    name: str
    scopes: frozenset[str]
    namespaces: frozenset[str]
    digests: tuple[tuple[bytes, float | None], ...] = field(default=(), repr=False)
    expires_at: float | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def may_use(self, topic: TopicName) -> bool:
        return ANY_NAMESPACE in self.namespaces or topic.namespace in self.namespaces

    @property
    def is_for_every_namespace(self) -> bool:
        return ANY_NAMESPACE in self.namespaces

    def opens_with(self, digest: bytes, now: float) -> bool:
        """Whether a secret of this digest is valid now. Takes as long for a wrong one as for a right one."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        is_right = False
        for known, ends_at in self.digests:
            is_same = hmac.compare_digest(known, digest)
            is_right |= is_same and (ends_at is None or now < ends_at)
        return is_right


@dataclass(frozen=True, slots=True)
class Secret:
    """A new secret: the only moment in which it is known here."""

    id: str
    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        return digest_of(self.text)

    @staticmethod
    def make(id_: str = "") -> "Secret":
        """For a new key, or a new one for the key `id_`."""
        id_ = id_ or secrets.token_hex(6)
        return Secret(id_, f"{MARK}_{id_}_{secrets.token_urlsafe(32)}")


def digest_of(secret: str) -> bytes:
    # Whatever a stranger sends has a digest: half of a surrogate pair, too.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def fixed_key(secret: str, number: int) -> Key:
    """A key of REALTIME["API_KEYS"]: it may do everything, and has no row."""
    return Key(
        id=f"settings-{number}",
        name="settings",
        scopes=frozenset(Scope),
        namespaces=frozenset({ANY_NAMESPACE}),
        digests=((digest_of(secret), None),),
    )


def check_namespaces(names: Collection[str]) -> None:
    """Raises ValueError with what is wrong."""
    for name in names:
        if name in (ANY_NAMESPACE, DEFAULT_NAMESPACE):
            continue
        try:
            is_name = TopicName.parse(f"{name}:x").namespace == name
        except CommandError:
            is_name = False
        if not is_name:
            raise ValueError(f"{name!r} is no name of a namespace; expected one such as chat, or * for all")


class KeyTable:
    """The keys of this process' settings, and the rows as they were some seconds ago.

    All rows are read at once: keys belong to servers, and are thousands at most. `load` reads them,
    `stamp` notes when keys were used last; `clock` gives Unix seconds, `monotonic` such as never jump.
    """

    def __init__(
        self,
        *,
        fixed: Iterable[Key],
        load: Callable[[], Awaitable[Iterable[Key]]],
        stamp: Callable[[str, float], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._fixed = tuple(fixed)
        self._load = load
        self._stamp = stamp
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rows: dict[str, Key] = {}
        # Times of `monotonic`: the last read's begin, the next one's, and the end of what was read.
        self._began_at = self._load_at = self._believe_until = float("-inf")
        self._is_outdated = True
        self._loading: asyncio.Task[None] | None = None
        self._stamped_at: dict[str, float] = {}
        self._stamping: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Something was changed in this process: the rows are read again before they are believed."""
        self._is_outdated = True

    async def find(self, secret: str) -> Key | None:
        """The key that `secret` opens now; None where there is none.

        Raises what `load` raises where the rows cannot be read and were not for a while.
        """
        digest = digest_of(secret)
        now = self._clock()
        for fixed in self._fixed:
            if fixed.opens_with(digest, now):
                return fixed
        id_ = _id_in(secret)
        if not id_:
            return None
        if self._is_outdated or self._monotonic() >= self._load_at:
            await self._reload()
        key = self._open(id_, digest, now)
        if key is None and id_ not in self._rows:
            # It may be newer than what was read.
            await self._pause_and_reload()
            key = self._open(id_, digest, now)
        if key is not None:
            self._note_use(key, now)
        return key

    def _open(self, id_: str, digest: bytes, now: float) -> Key | None:
        key = self._rows.get(id_)
        return key if key is not None and key.opens_with(digest, now) else None

    # ── Reading the rows ──────────────────────────────────────────────────────────────────────

    async def _pause_and_reload(self) -> None:
        came_at = self._monotonic()
        pause = self._began_at + RELOAD_PAUSE_SECONDS - came_at
        if pause > 0:
            await self._sleep(pause)
        # Another request may have waited for the same, and read them.
        if self._began_at <= came_at:
            await self._reload()

    async def _reload(self) -> None:
        """One at a time, for all that wait; it goes on where one of them is cancelled."""
        while True:
            loading = self._loading
            if loading is None or loading.done() or loading.get_loop() is not _loop():
                loading = self._loading = _loop().create_task(self._read())
            # Whoever finds the database away shall not wait for it where there is something to go by.
            patience = RELOAD_PATIENCE_SECONDS if self._are_rows_believed() else None
            await asyncio.wait([loading], timeout=patience)
            if not loading.done():
                return
            loading.result()
            # Otherwise something was changed while they were read.
            if not self._is_outdated:
                return

    async def _read(self) -> None:
        began_at = self._began_at = self._monotonic()
        self._is_outdated = False
        try:
            keys = await self._load()
        except Exception:
            if not self._are_rows_believed():
                raise
            logger.exception("API keys cannot be read; those that were known still count for a while")
        else:
            self._rows = {key.id: key for key in keys}
            self._believe_until = began_at + STALE_SECONDS
        self._load_at = self._monotonic() + FRESH_SECONDS

    def _are_rows_believed(self) -> bool:
        return self._monotonic() < self._believe_until

    # ── Last use ──────────────────────────────────────────────────────────────────────────────

    def _note_use(self, key: Key, now: float) -> None:
        if now - self._stamped_at.get(key.id, 0) < STAMP_SECONDS:
            return
        self._stamped_at = {id_: at for id_, at in self._stamped_at.items() if id_ in self._rows}
        self._stamped_at[key.id] = now
        # Nobody waits for it.
        task = _loop().create_task(self._write_stamp(key.id, now))
        self._stamping.add(task)
        task.add_done_callback(self._stamping.discard)

    async def _write_stamp(self, id_: str, now: float) -> None:
        try:
            await self._stamp(id_, now)
        except Exception:  # The database may be away; what the key was used for has happened.
            logger.exception("the last use of an API key was not noted", extra={"key": id_})


def _id_in(secret: str) -> str:
    mark, _, rest = secret.partition("_")
    id_, _, random = rest.partition("_")
    return id_ if mark == MARK and random else ""


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()
