"""RFC 6455 frame bytes, and the ASGI extension that lets a hub write them straight to the socket.

A server that offers the extension puts a FrameWriter into the scope:

    scope["extensions"]["switchboard.frames"] = writer

It is offered by `manage.py serve` (project/websocket.py). Elsewhere consumers fall back to
`await send(…)`; what clients see is the same.
"""

from typing import Any, Protocol

from realtime.errors import CloseCode

EXTENSION = "switchboard.frames"

TEXT = 0x1
BINARY = 0x2
# RFC 6455, section 5.2: the first bit of a frame says that the message ends with it.
FIN = 0x80


class FrameListener(Protocol):
    """What a writer tells its user. None of these is called from inside `write`, but `pause` may be."""

    def pause(self) -> None:
        """The client reads more slowly than it is written to: bytes pile up in this process."""

    def resume(self) -> None:
        """What had piled up is on its way."""

    def abandon(self) -> None:
        """The socket is closing or gone: whatever is written now goes nowhere."""


class FrameWriter(Protocol):
    """One socket's way out. Nothing here waits."""

    def listen(self, listener: FrameListener) -> None: ...

    def write(self, frames: bytes) -> None:
        """Whole frames only. After `close`, or once the client is gone, they go nowhere."""

    def get_buffered_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""

    def close(self, code: CloseCode) -> None:
        """Sends a close frame behind what is buffered; a client that does not read is cut off."""


def frame(payload: bytes, opcode: int) -> bytes:
    """One unmasked frame, as servers send them (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((FIN | opcode, length)) + payload
    if length < 65_536:
        return bytes((FIN | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, 127)) + length.to_bytes(8, "big") + payload


def get_writer(scope: dict[str, Any]) -> FrameWriter | None:
    """The server's writer for this connection; None where it offers none."""
    writer: FrameWriter | None = (scope.get("extensions") or {}).get(EXTENSION)
    return writer
