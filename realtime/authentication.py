"""Who a client is: by its token, or by the login that its browser's cookie names. It opens nothing."""

from msgspec import Raw

from realtime.errors import CloseCode, CommandError, Disconnect, ErrorCode
from realtime.keys.remote import KeysUnavailable
from realtime.logins import Login
from realtime.node import Node
from realtime.tokens import ConnectionClaims, TokenExpired, TokenInvalid


class Authentication:
    """Of one connection. `login_key` is what came with its handshake; "": nothing to trust."""

    __slots__ = ("_cookie_key", "_key", "_node", "login")

    def __init__(self, *, node: Node, login_key: str = "") -> None:
        self._node = node
        self._cookie_key = login_key
        self._key = ""
        # What the connection hangs on, once it is authenticated. None: on its token alone.
        self.login: Login | None = None

    async def authenticate(self, token: str) -> ConnectionClaims:
        """For a connect or a refresh. When it returns, no order that ends the login has been missed.

        Raises CommandError 100 (no keys now), 101, 109 (expired, or its login has ended: the client
        should get another) and Disconnect 3500.
        """
        if token:
            claims = await self._by_token(token)
            # Browsers send it along with every handshake; it is of no use to who came with a token.
            self._cookie_key = ""
            return claims
        if self._cookie_key:
            login = await self._fetch(self._cookie_key)
            if login is not None:
                self._key, self.login = self._cookie_key, login
                return ConnectionClaims(sub=login.user, info=Raw(login.info))
        if self._node.permissions.is_insecure or self._node.allows_anonymous:
            # An earlier attempt on this socket may have come to a login, and to no connection.
            self._key, self.login = "", None
            return ConnectionClaims()
        raise CommandError(ErrorCode.UNAUTHORIZED, "connect without a token")

    async def _by_token(self, token: str) -> ConnectionClaims:
        tokens = self._node.tokens
        try:
            await tokens.fetch_key(token)
            claims = tokens.verify_connection(token)
        except TokenExpired as error:
            raise CommandError(ErrorCode.TOKEN_EXPIRED, str(error)) from error
        except TokenInvalid as error:
            raise Disconnect(CloseCode.INVALID_TOKEN, str(error)) from error
        except KeysUnavailable as error:
            raise CommandError(ErrorCode.INTERNAL, str(error)) from error
        if not claims.login:
            self._key, self.login = "", None
            return claims
        key = self._node.logins.unseal(claims.login)
        login = await self._fetch(key) if key else None
        if login is None:
            # Not 3500: who is still signed in, with a new password say, gets another token and goes on.
            raise CommandError(ErrorCode.TOKEN_EXPIRED, "a token of a login that has ended")
        if login.user != claims.sub:
            raise Disconnect(CloseCode.INVALID_TOKEN, "a token of one user for the login of another")
        self._key, self.login = key, login
        return claims

    async def check(self) -> bool:
        """Whether the login that the connection hangs on still stands."""
        login = await self._fetch(self._key)
        if login is None or self.login is None or login.user != self.login.user:
            return False
        self.login = login
        return True

    async def _fetch(self, key: str) -> Login | None:
        # An order that ends it may be heard while it is looked up, when this session cannot be found
        # by its user yet; and what was looked up may be from before. So it is looked up again.
        sessions = self._node.sessions
        while True:
            seen = sessions.endings
            login = await self._node.logins.fetch(key)
            if sessions.endings == seen:
                return login
