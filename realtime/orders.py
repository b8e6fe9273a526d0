"""What the server may have sessions do wherever they are, as values and as bytes. It carries out nothing.

A process takes part while others run another version: a kind that is new to it is refused, a field
that is new is left out. So what narrows an order down must come as a new kind, not as a new field.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from realtime.errors import CloseCode, UnsubscribeCode
from realtime.messages import Position


class _Order(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="order"):
    """Goes to the sessions of `user`; with `client` to that one alone, whoever's it is if `user` is ""."""

    user: str = ""
    client: str = ""


class DisconnectSessions(_Order, frozen=True, tag="disconnect"):
    """Closes them, but for those of `keep_clients`. `reason` "": the text that goes with `code`."""

    code: int = CloseCode.FORCE_NO_RECONNECT.value
    reason: str = ""
    keep_clients: tuple[str, ...] = ()


class UnsubscribeSessions(_Order, frozen=True, tag="unsubscribe"):
    topic: str
    code: int = UnsubscribeCode.SERVER.value
    reason: str = ""


class SubscribeSessions(_Order, frozen=True, tag="subscribe"):
    """`info` is shown to other members, `data` goes to the client along with its subscription.

    `override` has options of the namespace; `since` is from where on the client wants what it missed.
    """

    topic: str
    info: bytes = b""
    data: bytes = b""
    override: dict[str, bool] = {}
    since: Position | None = None


class RefreshSessions(_Order, frozen=True, tag="refresh"):
    """Sets when they end (Unix seconds; None: never), or ends them as expired."""

    expires_at: float | None = None
    is_expired: bool = False


class EndLogins(_Order, frozen=True, tag="end_logins"):
    """Closes those that hang on one of `logins` (ids; realtime/logins.py), whoever's they are.

    Without any, those of `user` that hang on a login. The token that they came with opens nothing
    any more, which is what the code says; a page that is still signed in gets another.
    """

    logins: tuple[str, ...] = ()
    code: int = CloseCode.INVALID_TOKEN.value
    reason: str = ""


class RuleChange(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What rules may answer otherwise now. None: whatever the namespace, the user or the topic."""

    namespace: str | None = None
    user: str | None = None
    topic: str | None = None


class RecheckSessions(_Order, frozen=True, tag="recheck"):
    """Has sessions forget what rules have answered, and end subscriptions that rules no longer allow.

    Whose, says each of `changes`; `user` and `client` are not used.
    """

    changes: tuple[RuleChange, ...] = ()


Order: TypeAlias = (
    DisconnectSessions
    | UnsubscribeSessions
    | SubscribeSessions
    | RefreshSessions
    | EndLogins
    | RecheckSessions
)

_decoder: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)


def encode_order(order: Order) -> bytes:
    return msgspec.msgpack.encode(order)


def decode_order(data: bytes) -> Order:
    """Raises msgspec.MsgspecError for bytes of another make, and for a kind that is not known here."""
    return _decoder.decode(data)
