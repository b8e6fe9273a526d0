"""uvicorn's HTTP protocol, except that a request has a time by which it must be there. No WebSockets.

uvicorn itself bounds only the silence after an answer. Whoever sends nothing, or a byte now and
then, would hold a connection for as long as it liked ("slowloris"), and a few thousand of them all
that the process may open.
"""

import asyncio
from enum import Enum, auto
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from project.settings.environment import REQUEST_BODY_TIMEOUT, REQUEST_HEAD_TIMEOUT

# RFC 9110, section 15.5.9.
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Awaited(Enum):
    """What the client has still to send."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


# 0: for as long as it likes.
_SECONDS = {
    _Awaited.HEAD: REQUEST_HEAD_TIMEOUT.read(),
    _Awaited.BODY: REQUEST_BODY_TIMEOUT.read(),
    _Awaited.NOTHING: 0,
}


class DeadlineHttpProtocol(HttpToolsProtocol):
    """408, and the connection closed, for a request that takes too long to come.

    The time of a head runs from the connection's begin, or from the first byte after an answer; that
    of a body from the end of its head. Neither begins anew with what arrives.
    """

    _awaited = _Awaited.NOTHING
    _deadline: asyncio.TimerHandle | None = None
    _has_begun = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await(_Awaited.HEAD)

    def data_received(self, data: bytes) -> None:
        self._has_begun = True
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.get_protocol() is not self:
            # A WebSocket now, with time limits of its own.
            self._await(_Awaited.NOTHING)
        elif cycle is None or cycle.response_complete:
            self._await(_Awaited.HEAD)
        else:
            self._await(_Awaited.BODY if cycle.more_body else _Awaited.NOTHING)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(_Awaited.NOTHING)
        super().connection_lost(exc)

    def _await(self, awaited: _Awaited) -> None:
        if awaited is self._awaited:
            return
        self._awaited = awaited
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        seconds = _SECONDS[awaited]
        if seconds > 0:
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        is_being_answered = cycle is not None and cycle.response_started and not cycle.response_complete
        # Nor to who has not asked: browsers open connections that they may need.
        if self._has_begun and not is_being_answered:
            self.transport.write(TIMED_OUT)
        self.transport.close()
