"""What a session needs of the pump that carries its messages."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from realtime import subscriber
from realtime.codec import Codec
from realtime.errors import CloseCode
from realtime.messages import Reply


class Connection(subscriber.Connection, Protocol):
    """`send` and `close` return at once and do nothing once closed."""

    @property
    def codec(self) -> Codec: ...

    def send(self, reply: Reply) -> None:
        """Goes out in order with what the hub writes."""

    def close(self, code: CloseCode) -> None: ...

    def submit(self, job: Callable[[], Awaitable[None]]) -> None:
        """Runs `job` after the commands that are waiting now; its exceptions are logged."""
