"""uvicorn's WebSocket protocol with the frames extension: ready frames go straight to the transport.

Everything else (handshake, parsing, fragments, close handshake) stays uvicorn's and websockets'.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from consumers.frames import EXTENSION, FrameListener
from realtime.errors import CloseCode

# Above this a client counts as behind and its pump takes no further command. Below the bound for
# slow clients by far; above what one tick usually publishes, so that the question is rare.
HIGH_WATER_BYTES = 65_536


class FramesProtocol(WebSocketsSansIOProtocol):
    """Implements FrameWriter (consumers/frames.py) and offers itself to the application by it.

    Each write is a system call of its own, as long as the kernel takes it: what belongs together must
    come here together.
    """

    _listener: FrameListener | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        # `write` is the hot path: the transport's own method, with no Python between.
        self.write = transport.write
        self.get_buffered_bytes = transport.get_write_buffer_size

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            # Nobody reads the handshake again, and its headers are a tenth of an idle connection.
            # Cleared, not only let go of: the parser's frame holds on to the request.
            self.request.headers.clear()
            self.response.headers.clear()
            del self.request, self.response
        elif message["type"] == "websocket.http.response.body":
            # uvicorn takes an application that refused by a status for one that forgot to answer.
            self.handshake_complete = True

    def listen(self, listener: FrameListener) -> None:
        self._listener = listener

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._listener is not None:
            self._listener.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._listener is not None:
            self._listener.resume()

    def handle_close(self, event: Any) -> None:
        self._abandon()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self._abandon()
        super().handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._abandon()

    def _abandon(self) -> None:
        # Letting go of the listener also ends a cycle that only the garbage collector would find.
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.abandon()

    def close(self, code: CloseCode) -> None:
        """As uvicorn answers `websocket.close`, except that it does not wait for the client to read."""
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": code.text})
        self.conn.send_close(code, code.text)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # abort(), not close(): a client that does not read would never let the buffer drain.
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
