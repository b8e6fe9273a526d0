"""The sessions of this process: counted against limits, found by user, closed together."""

from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Protocol

from realtime.caller import Caller
from realtime.errors import CloseCode, Disconnect, UnsubscribeCode
from realtime.limits import Limits
from realtime.messages import Position
from realtime.rechecks import Scope
from realtime.tokens import SubscriptionOptions


class OpenSession(Protocol):
    """What others may have a session do. Each returns at once."""

    @property
    def caller(self) -> Caller: ...

    def subscribe(
        self, topic: str, options: SubscriptionOptions | None = None, *, since: Position | None = None
    ) -> None:
        """Raises CommandError for a bad or unknown topic."""

    def unsubscribe(self, topic: str, code: UnsubscribeCode) -> None: ...

    def recheck(self, scope: Scope) -> None:
        """The rules of these topics may answer otherwise now."""

    def check_login(self) -> None:
        """The login that it hangs on may have ended."""

    def refresh(self, expires_at: float | None) -> None:
        """`expires_at`: Unix seconds; None: never."""

    def disconnect(self, code: CloseCode) -> None: ...


class Sessions:
    """Every open session is here, connected or not yet; those that claimed a user are found by it."""

    def __init__(self, *, limits: Limits) -> None:
        self._limits = limits
        self._open: set[OpenSession] = set()
        self._by_user: dict[str, set[OpenSession]] = {}
        self._by_client: dict[str, OpenSession] = {}
        self._user_of: dict[OpenSession, str] = {}
        self._by_login: dict[str, set[OpenSession]] = {}
        self._login_of: dict[OpenSession, str] = {}
        # How many orders to end sessions were heard, for who is about to claim a user.
        self.endings = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenSession]:
        return iter(list(self._open))

    @property
    def connected(self) -> int:
        """How many have claimed a user, the anonymous one too."""
        return len(self._user_of)

    @property
    def users(self) -> int:
        """How many users they are; those without a name are none."""
        return len(self._by_user) - ("" in self._by_user)

    def open(self, session: OpenSession) -> None:
        """Raises Disconnect 3504 when the process has as many connections as it may have."""
        most = self._limits.max_connections
        if most and len(self._open) >= most:
            raise Disconnect(CloseCode.CONNECTION_LIMIT, f"{most} connections on this node")
        self._open.add(session)

    def claim(self, session: OpenSession, user: str, *, login: str = "") -> None:
        """Counts the session as the user's, and as one of `login` where it hangs on one ("": none).

        Raises Disconnect 3504 when the user has too many.
        """
        self._release(session)
        most = self._limits.max_connections_per_user
        # Anonymous clients have no user to share a limit.
        if most and user and len(self._by_user.get(user, ())) >= most:
            raise Disconnect(CloseCode.CONNECTION_LIMIT, f"{most} connections of one user")
        self._by_user.setdefault(user, set()).add(session)
        self._by_client[session.caller.client] = session
        self._user_of[session] = user
        if login:
            self._by_login.setdefault(login, set()).add(session)
            self._login_of[session] = login

    def close(self, session: OpenSession) -> None:
        self._open.discard(session)
        self._release(session)

    def _release(self, session: OpenSession) -> None:
        user = self._user_of.pop(session, None)
        if user is None:
            return
        self._by_client.pop(session.caller.client, None)
        self._by_user[user].discard(session)
        if not self._by_user[user]:
            del self._by_user[user]
        login = self._login_of.pop(session, None)
        if login is not None:
            self._by_login[login].discard(session)
            if not self._by_login[login]:
                del self._by_login[login]

    def of_user(self, user: str) -> list[OpenSession]:
        return list(self._by_user.get(user, ()))

    def find(self, *, user: str, client: str = "") -> list[OpenSession]:
        """The user's; with `client` that one alone, whoever's it is where `user` is ""."""
        if not client:
            return self.of_user(user)
        session = self._by_client.get(client)
        if session is None or user not in ("", self._user_of[session]):
            return []
        return [session]

    def find_by_login(self, *, user: str, logins: Collection[str]) -> list[OpenSession]:
        """Those that hang on one of `logins`, whoever's they are; where `user` is given its own alone.

        Without any logins all of the user's that hang on one.
        """
        wanted = {session for login in logins for session in self._by_login.get(login, ())}
        if not user:
            return list(wanted)
        of_user = {session for session in self._by_user.get(user, ()) if session in self._login_of}
        return list(of_user & wanted if logins else of_user)

    def hanging_on_logins(self) -> list[OpenSession]:
        return list(self._login_of)

    async def drain(
        self, *, code: CloseCode, spread_seconds: float, sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        """Closes all, evenly over `spread_seconds`, so that clients do not all come back at once."""
        waiting = list(self._open)
        # Steps of at least 10 ms: a timer per connection would cost more than the close itself.
        steps = max(1, min(len(waiting), int(spread_seconds / 0.01)))
        for step in range(steps):
            for session in waiting[step::steps]:
                session.disconnect(code)
            if step + 1 < steps:
                await sleep(spread_seconds / steps)
