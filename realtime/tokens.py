"""Signs and verifies connection and subscription tokens (JWT). It grants nothing: sessions do.

A *connection token* says who connects (`sub`), until when, with which info, and what the server
subscribes them to. A *subscription token* opens one topic (`channel`) for one user.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jwt
import msgspec
from msgspec import Raw, Struct

from realtime.errors import ConfigurationError, RealtimeError
from realtime.messages import EMPTY

# The only one, so that a token cannot choose how it is checked.
ALGORITHM = "HS256"

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
    # Only a subscription token has it; here it is a sign that the two were mixed up.
    channel: str = ""


class SubscriptionClaims(_Claims, frozen=True):
    channel: str = ""
    override: dict[str, Override] = {}


ClaimsT = TypeVar("ClaimsT", bound=_Claims)


class TokenVerifier:
    """`clock` gives Unix seconds. `secret` "" means that no token is ever valid."""

    def __init__(
        self, *, secret: str, clock: Callable[[], float], audience: str = "", issuer: str = ""
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._audience = audience
        self._issuer = issuer

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
        if not self._secret:
            raise TokenInvalid("no secret is configured: set REALTIME['TOKEN_HMAC_SECRET']")
        try:
            # PyJWT checks the signature alone: the times are compared with our own clock, and
            # msgspec gives the claims their types.
            payload = _jws.decode(token, self._secret, algorithms=[ALGORITHM])
            claims = msgspec.json.decode(payload, type=kind)
        except (jwt.InvalidTokenError, msgspec.MsgspecError, RecursionError) as error:
            raise TokenInvalid(str(error)) from error
        self._check(claims)
        return claims

    def _check(self, claims: _Claims) -> None:
        now = self._clock()
        if claims.exp is not None and claims.exp <= now:
            raise TokenExpired(f"expired {now - claims.exp:.0f} s ago")
        if claims.nbf is not None and claims.nbf > now:
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
    ) -> str:
        """`info` is shown to other members; `topics` are those the server subscribes the user to."""
        claims: dict[str, Any] = {"sub": user}
        if info is not None:
            claims["info"] = info
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


def _info(info: Raw, b64info: str) -> Raw:
    if not b64info:
        return Raw(bytes(info)) if len(info) else EMPTY
    try:
        return Raw(base64.b64decode(b64info, validate=True))
    except (binascii.Error, ValueError) as error:
        raise TokenInvalid(f"b64info is no base64: {error}") from error
