"""A session that does nothing and keeps what it was told."""

import itertools

from realtime.caller import Caller
from realtime.errors import CloseCode, UnsubscribeCode
from realtime.messages import Position
from realtime.rechecks import Scope
from realtime.sessions import OpenSession
from realtime.tokens import SubscriptionOptions

_ids = itertools.count(1)


class FakeSession(OpenSession):
    """Implements OpenSession (realtime/sessions.py). `code` is what it was closed with, None until then."""

    def __init__(self) -> None:
        self._caller = Caller(user="", client=f"client{next(_ids)}")
        self.code: CloseCode | None = None
        self.told: list[tuple[object, ...]] = []

    @property
    def caller(self) -> Caller:
        return self._caller

    def subscribe(
        self, topic: str, options: SubscriptionOptions | None = None, *, since: Position | None = None
    ) -> None:
        self.told.append(("subscribe", topic, options, since))

    def unsubscribe(self, topic: str, code: UnsubscribeCode) -> None:
        self.told.append(("unsubscribe", topic, code))

    def recheck(self, scope: Scope) -> None:
        self.told.append(("recheck", scope))

    def check_login(self) -> None:
        self.told.append(("check_login",))

    def refresh(self, expires_at: float | None) -> None:
        self.told.append(("refresh", expires_at))

    def disconnect(self, code: CloseCode) -> None:
        self.code = code
