"""Signs and verifies connection and subscription tokens (JWT). It grants nothing: sessions do.

A *connection token* says who connects (`sub`), until when, with which info, and what the server
subscribes them to. A *subscription token* opens one topic (`channel`) for one user.

Tokens are signed here with the shared secret (HS256). They are verified with it, or with a public
key: which key a token may be checked with hangs on its algorithm, and each key verifies those
algorithms alone that are made for its type. So a public key is never taken for a shared secret.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jwt
import msgspec
from msgspec import Raw, Struct

from realtime.errors import ConfigurationError, RealtimeError
from realtime.keys.key import PUBLIC_KEY_ALGORITHMS, PublicKey, VerifyingKey
from realtime.keys.remote import RemoteKeys
from realtime.messages import EMPTY

# The only one with a shared secret.
ALGORITHM = "HS256"

LOGIN_CLAIM = "switchboard:login"

_jws = jwt.PyJWS()


class TokenInvalid(RealtimeError):
    """The signature is wrong, or the claims are not what they should be. Trying again is no use."""


class TokenExpired(RealtimeError):
    """The token was good once: the client should get a new one."""


class Override(Struct, frozen=True):
    value: bool


class SubscriptionOptions(Struct, frozen=True):
    """What a token says of a topic: info shown to other members, and namespace options overridden."""

    info: Raw = EMPTY
    b64info: str = ""
    data: Raw = EMPTY
    override: dict[str, Override] = {}

    @property
    def chan_info(self) -> Raw:
        return _info(self.info, self.b64info)


class _Claims(Struct, frozen=True):
    sub: str = ""
    exp: float | None = None
    nbf: float | None = None
    # When the connection or subscription ends; without it, when the token does. 0: never.
    expire_at: float | None = None
    iat: float | None = None
    jti: str = ""
    aud: str | list[str] = []
    iss: str = ""
    info: Raw = EMPTY
    b64info: str = ""

    @property
    def expires_at(self) -> float | None:
        """Unix seconds; None: never."""
        if self.expire_at is not None:
            return self.expire_at or None
        return self.exp

    @property
    def shown_info(self) -> Raw:
        """The bytes that other members see."""
        return _info(self.info, self.b64info)


class ConnectionClaims(_Claims, frozen=True):
    channels: list[str] = []
    subs: dict[str, SubscriptionOptions] = {}
    meta: Raw = EMPTY
    # The sign-in that the token was made for (realtime/logins.py), sealed; "": of none. Named so that
    # it cannot be another issuer's claim of another meaning.
    login: str = msgspec.field(name=LOGIN_CLAIM, default="")
    # Only a subscription token has it; here it is a sign that the two were mixed up.
    channel: str = ""


class SubscriptionClaims(_Claims, frozen=True):
    channel: str = ""
    override: dict[str, Override] = {}


ClaimsT = TypeVar("ClaimsT", bound=_Claims)


class TokenVerifier:
    """`clock` gives Unix seconds. Without a secret and without keys no token is ever valid.

    A token that names a key (`kid`) is checked with that of `remote_keys`, where there are such;
    any other with that of `public_keys` which verifies its algorithm.
    """

    def __init__(
        self,
        *,
        secret: str,
        clock: Callable[[], float],
        public_keys: Sequence[VerifyingKey] = (),
        remote_keys: RemoteKeys | None = None,
        audience: str = "",
        issuer: str = "",
        leeway_seconds: float = 0,
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._public_keys = {algorithm: key for key in public_keys for algorithm in key.algorithms}
        self._remote_keys = remote_keys
        self._audience = audience
        self._issuer = issuer
        self._leeway_seconds = leeway_seconds

    async def fetch_key(self, token: str) -> None:
        """To be awaited before a token is verified: gets its key into memory, where that is elsewhere.

        Raises KeysUnavailable (realtime/keys/remote.py).
        """
        if self._remote_keys is None or not token:
            return
        try:
            algorithm, kid = _read_header(token)
        except TokenInvalid:
            return
        if kid and algorithm in PUBLIC_KEY_ALGORITHMS:
            await self._remote_keys.fetch(kid)

    def verify_connection(self, token: str) -> ConnectionClaims:
        """Raises TokenInvalid or TokenExpired."""
        claims = self._verify(token, ConnectionClaims)
        if claims.channel:
            raise TokenInvalid("a subscription token where a connection token was expected")
        for options in claims.subs.values():
            _info(options.info, options.b64info)
        return claims

    def verify_subscription(self, token: str) -> SubscriptionClaims:
        """Raises TokenInvalid or TokenExpired. Topic and user are the caller's to compare."""
        claims = self._verify(token, SubscriptionClaims)
        if not claims.channel:
            raise TokenInvalid("a token without the claim 'channel' where a subscription token was expected")
        return claims

    def _verify(self, token: str, kind: type[ClaimsT]) -> ClaimsT:
        algorithm, kid = _read_header(token)
        key = self._key_for(algorithm, kid)
        try:
            # PyJWT checks the signature alone: the times are compared with our own clock, and
            # msgspec gives the claims their types.
            payload = _jws.decode(token, key, algorithms=[algorithm])
            claims = msgspec.json.decode(payload, type=kind)
        except (jwt.InvalidTokenError, msgspec.MsgspecError, RecursionError) as error:
            raise TokenInvalid(str(error)) from error
        self._check(claims)
        return claims

    def _key_for(self, algorithm: str, kid: str) -> str | PublicKey:
        if algorithm == ALGORITHM:
            if not self._secret:
                raise TokenInvalid("no secret is configured: set REALTIME['TOKEN_HMAC_SECRET']")
            return self._secret
        if algorithm not in PUBLIC_KEY_ALGORITHMS:
            raise TokenInvalid("an algorithm that is not offered")
        if kid and self._remote_keys is not None:
            found = self._remote_keys.get(kid)
        else:
            found = self._public_keys.get(algorithm)
        if found is None or algorithm not in found.algorithms:
            raise TokenInvalid(f"no key for {algorithm}" + (" of this id" if kid else ""))
        return found.key

    def _check(self, claims: _Claims) -> None:
        now = self._clock()
        if claims.exp is not None and claims.exp + self._leeway_seconds <= now:
            raise TokenExpired(f"expired {now - claims.exp:.0f} s ago")
        if claims.nbf is not None and claims.nbf > now + self._leeway_seconds:
            raise TokenInvalid(f"not valid for another {claims.nbf - now:.0f} s")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._audience and self._audience not in audiences:
            raise TokenInvalid(f"audience {claims.aud!r}, expected {self._audience!r}")
        if self._issuer and claims.iss != self._issuer:
            raise TokenInvalid(f"issuer {claims.iss!r}, expected {self._issuer!r}")
        # Decoded here already: what is no base64 makes the token invalid, not its use fail.
        _info(claims.info, claims.b64info)


class TokenSigner:
    """Makes tokens for clients that the Django project has authenticated by its own means."""

    def __init__(
        self, *, secret: str, clock: Callable[[], float], audience: str = "", issuer: str = ""
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._common = {claim: value for claim, value in (("aud", audience), ("iss", issuer)) if value}

    def connection(
        self,
        *,
        user: str,
        ttl_seconds: float,
        info: Mapping[str, Any] | None = None,
        topics: Sequence[str] = (),
        login: str = "",
    ) -> str:
        """`info` is shown to other members; `topics` are those the server subscribes the user to.

        `login` is a sealed sign-in (realtime/logins.py): when that ends, so does the connection, and
        the token opens none any more.
        """
        claims: dict[str, Any] = {"sub": user}
        if info is not None:
            claims["info"] = info
        if login:
            claims[LOGIN_CLAIM] = login
        if topics:
            claims["channels"] = list(topics)
        return self._sign(claims, ttl_seconds)

    def subscription(self, *, user: str, topic: str, ttl_seconds: float) -> str:
        return self._sign({"sub": user, "channel": topic}, ttl_seconds)

    def _sign(self, claims: dict[str, Any], ttl_seconds: float) -> str:
        if not self._secret:
            raise ConfigurationError(
                "Tokens cannot be signed without a secret; set REALTIME['TOKEN_HMAC_SECRET']."
            )
        now = int(self._clock())
        times = {"iat": now, "exp": now + int(ttl_seconds)}
        return jwt.encode({**claims, **self._common, **times}, self._secret, algorithm=ALGORITHM)


def _read_header(token: str) -> tuple[str, str]:
    """The algorithm and the key's id ("": none) that an unverified token names. Raises TokenInvalid."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, RecursionError) as error:
        raise TokenInvalid(str(error)) from error
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str):
        raise TokenInvalid("a header without an algorithm, or with a key id that is no text")
    return algorithm, kid


def _info(info: Raw, b64info: str) -> Raw:
    if not b64info:
        return Raw(bytes(info)) if len(info) else EMPTY
    try:
        return Raw(base64.b64decode(b64info, validate=True))
    except (binascii.Error, ValueError) as error:
        raise TokenInvalid(f"b64info is no base64: {error}") from error
