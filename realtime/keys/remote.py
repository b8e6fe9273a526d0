"""The public keys that an identity provider publishes (JWKS), kept in memory. It fetches nothing itself.

Keys are fetched anew when they are older than `ttl_seconds`, and when a token names one that is not
known: providers announce new keys that way. Neither more often than every `retry_seconds`, whatever
tokens strangers send, and never twice at once. While the provider is away the keys it gave last stay
in use: an outage over there signs nobody out here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from realtime.errors import RealtimeError
from realtime.keys.key import KeyUnusable, VerifyingKey, parse_jwk

logger = logging.getLogger(__name__)

# A withdrawn key is believed for as long at most, while the provider answers.
TTL_SECONDS = 600
RETRY_SECONDS = 10
# Providers publish two to ten keys of 2 KB at most.
MAX_BYTES = 262_144
MAX_KEYS = 100


class KeysUnavailable(RealtimeError):
    """The provider cannot be asked now. Nobody's fault here; the same token may be good later."""


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class RemoteKeys:
    """`fetch` gives the JSON and raises OSError or ValueError; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        *,
        fetch: Callable[[], Awaitable[bytes]],
        clock: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        ttl_seconds: float = TTL_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._spawn = spawn
        self._ttl_seconds = ttl_seconds
        self._retry_seconds = retry_seconds
        self._keys: dict[str, VerifyingKey] = {}
        # When it was last tried, and when the keys here came. None: never.
        self._tried_at: float | None = None
        self._fetched_at: float | None = None
        self._fetching: asyncio.Future[None] | None = None

    def get(self, kid: str) -> VerifyingKey | None:
        """What is in memory; None: none of that id, or not yet."""
        return self._keys.get(kid)

    async def fetch(self, kid: str) -> None:
        """Returns when `get(kid)` says what the provider says, or said last while it is away.

        Raises KeysUnavailable where that cannot be known now.
        """
        if kid in self._keys:
            if self._is_older_than(self._fetched_at, self._ttl_seconds):
                await self._renew()
            return
        if self._fetching is None and not self._is_older_than(self._tried_at, self._retry_seconds):
            raise KeysUnavailable("a key that was not among those fetched just now")
        began_at = self._clock()
        await self._fetch_once()
        if self._fetched_at is None or self._fetched_at < began_at:
            raise KeysUnavailable("the provider's keys cannot be fetched")

    async def _renew(self) -> None:
        if self._fetching is None and not self._is_older_than(self._tried_at, self._retry_seconds):
            return
        if self._tried_at == self._fetched_at:
            await self._fetch_once()
        elif self._fetching is None:
            # It failed the last time: nobody who connects meanwhile should wait for it to fail again.
            _ = self._start()

    async def _fetch_once(self) -> None:
        # Shielded: a client that leaves must not take the answer from the others that wait.
        await asyncio.shield(self._fetching or self._start())

    def _start(self) -> asyncio.Future[None]:
        done = self._fetching = asyncio.get_running_loop().create_future()
        self._spawn(self._load(done))
        return done

    async def _load(self, done: asyncio.Future[None]) -> None:
        started_at = self._tried_at = self._clock()
        try:
            keys = _parse(await self._fetch())
        except (OSError, ValueError) as error:
            self._tried_at = self._clock()
            logger.error("public keys for tokens cannot be fetched: %s", error)
        else:
            self._keys = keys
            self._fetched_at = self._tried_at = self._clock()
            logger.info("public keys for tokens fetched in %.1f s", self._fetched_at - started_at)
        finally:
            self._fetching = None
            if not done.done():
                done.set_result(None)

    def _is_older_than(self, moment: float | None, seconds: float) -> bool:
        return moment is None or self._clock() - moment >= seconds


def _parse(data: bytes) -> dict[str, VerifyingKey]:
    """Raises ValueError where not one key is usable: an empty answer must not take the last ones away."""
    try:
        entries = msgspec.json.decode(data, type=_KeySet).keys
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"no JSON Web Key Set: {error}") from error
    if len(entries) > MAX_KEYS:
        raise ValueError(f"{len(entries)} keys, expected at most {MAX_KEYS}")
    keys: dict[str, VerifyingKey] = {}
    for entry in entries:
        try:
            kid, key = parse_jwk(entry)
        except KeyUnusable as error:
            logger.debug("passed over %s", error)
        else:
            # Of two with one id the first: no later entry can take its place.
            keys.setdefault(kid, key)
    if not keys:
        raise ValueError(f"none of {len(entries)} keys can be used")
    return keys
