"""Every number a client can be told, in one table each, and the exceptions that carry them.

    RealtimeError
    ├── CommandError        one command failed; the connection lives on
    │   ├── LayerUnavailable    the topic layer is away; the same command will succeed later
    │   └── TooManyRequests     over a rate limit; the same command will succeed later
    ├── Disconnect          the connection ends
    └── ConfigurationError  the project's settings are at fault; the server does not start

The numbers and texts are those of the Centrifuge client protocol, so that published SDKs react to
them as they do with any other server: retry where `temporary`, reconnect where `reconnects`.
"""

from enum import IntEnum
from typing import Self


class ErrorCode(IntEnum):
    """Why a command failed. `temporary`: the same command may succeed later."""

    text: str
    temporary: bool

    def __new__(cls, number: int, text: str, temporary: str = "") -> "ErrorCode":
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        member.temporary = temporary == "temporary"
        return member

    INTERNAL = 100, "internal server error", "temporary"
    UNAUTHORIZED = 101, "unauthorized"
    UNKNOWN_TOPIC = 102, "unknown channel"
    PERMISSION_DENIED = 103, "permission denied"
    METHOD_NOT_FOUND = 104, "method not found"
    ALREADY_SUBSCRIBED = 105, "already subscribed"
    LIMIT_EXCEEDED = 106, "limit exceeded"
    BAD_REQUEST = 107, "bad request"
    NOT_AVAILABLE = 108, "not available"
    TOKEN_EXPIRED = 109, "token expired"
    EXPIRED = 110, "expired"
    TOO_MANY_REQUESTS = 111, "too many requests", "temporary"
    UNRECOVERABLE_POSITION = 112, "unrecoverable position"


class _EndCode(IntEnum):
    """A number with the text that goes with it on the wire."""

    text: str

    def __new__(cls, number: int, text: str) -> Self:
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        return member

    @classmethod
    def of(cls, number: int, text: str = "") -> Self:
        """The code of that number, and with `text` where one is given.

        It may be a project's own, which is in no table: clients go by the number's range alone.
        """
        known = next((each for each in cls if each == number), None)
        if known is not None and text in ("", known.text):
            return known
        own = int.__new__(cls, number)
        own._value_ = number
        own._name_ = "OWN"
        own.text = text or f"code {number}"
        return own


class UnsubscribeCode(_EndCode):
    """Why the server ended a subscription. `resubscribes`: the client subscribes again by itself."""

    @property
    def resubscribes(self) -> bool:
        return self >= 2500

    SERVER = 2000, "server unsubscribe"
    INSUFFICIENT_STATE = 2500, "insufficient state"
    EXPIRED = 2501, "subscription expired"


class CloseCode(_EndCode):
    """Why the server closed the connection. `reconnects`: the client comes back by itself."""

    @property
    def reconnects(self) -> bool:
        return not (3500 <= self <= 3999 or 4500 <= self <= 4999)

    # The one code below that RFC 6455 itself defines (section 7.4.1).
    MESSAGE_TOO_BIG = 1009, "message too big"
    CLOSED = 3000, "connection closed"
    SHUTDOWN = 3001, "shutdown"
    SERVER_ERROR = 3004, "internal server error"
    EXPIRED = 3005, "connection expired"
    SUBSCRIPTION_EXPIRED = 3006, "subscription expired"
    SLOW = 3008, "slow"
    WRITE_ERROR = 3009, "write error"
    INSUFFICIENT_STATE = 3010, "insufficient state"
    FORCE_RECONNECT = 3011, "force reconnect"
    NO_PONG = 3012, "no pong"
    TOO_MANY_REQUESTS = 3013, "too many requests"
    INVALID_TOKEN = 3500, "invalid token"
    BAD_REQUEST = 3501, "bad request"
    STALE = 3502, "stale"
    FORCE_NO_RECONNECT = 3503, "force disconnect"
    CONNECTION_LIMIT = 3504, "connection limit"
    TOPIC_LIMIT = 3505, "channel limit"
    INAPPROPRIATE_PROTOCOL = 3506, "inappropriate protocol"
    PERMISSION_DENIED = 3507, "permission denied"
    NOT_AVAILABLE = 3508, "not available"
    TOO_MANY_ERRORS = 3509, "too many errors"


class RealtimeError(Exception):
    """Base of everything the engine raises on purpose."""


class CommandError(RealtimeError):
    """One command failed; the client gets `code` in the reply. The client's fault unless temporary."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(f"{code.value} {code.text}" + (f": {detail}" if detail else ""))
        self.code = code
        # For the server's log only: it may name what a stranger must not learn.
        self.detail = detail


class LayerUnavailable(CommandError):
    """The topic layer cannot be reached now. Nobody's fault here; clients get the temporary error 100."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.INTERNAL, detail)


class TooManyRequests(CommandError):
    """Over a rate limit: the same will pass `wait_seconds` from now. The client's fault."""

    def __init__(self, limit: str, wait_seconds: float) -> None:
        super().__init__(ErrorCode.TOO_MANY_REQUESTS, f"{limit}, for {wait_seconds:.3f} s")
        self.wait_seconds = wait_seconds


class Disconnect(RealtimeError):
    """The connection must end with `code`."""

    def __init__(self, code: CloseCode, detail: str = "") -> None:
        super().__init__(f"{code.value} {code.text}" + (f": {detail}" if detail else ""))
        self.code = code
        self.detail = detail


class ConfigurationError(RealtimeError):
    """A setting is wrong. The text says what was got, what was expected, and what to do."""


class PublishUnavailable(RealtimeError):
    """This process cannot publish now: the text says why and what to do."""
