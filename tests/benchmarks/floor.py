"""The floor: the least a Python server can do for one delivery. Not a server for anything else.

An asyncio protocol on uvloop writes one ready frame to each connection whenever a publisher sends a
frame. There is no parsing, no encoding, no session and no log; what is left is the transport's write
and the kernel. It takes no more than one publication per turn of the loop, so every delivery is a
write of its own.

    python -m tests.benchmarks.floor --port 9001 --frame-bytes 200
"""

import argparse
import asyncio
import base64
import hashlib
from typing import cast

import uvloop

from tests.benchmarks.frames import ready_frame

PUBLISHER_PATH = b"/publish"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_REPLY = ready_frame(b'{"id":1,"publish":{}}')


def publication_frame(frame_bytes: int) -> bytes:
    """Return a frame of `frame_bytes` bytes (at least 80) that a client counts as one publication."""
    head, tail = b'{"push":{"channel":"log:bench","pub":{"data":{"text":"', b'"}}}}'
    overhead = 2 if frame_bytes <= 127 else 4
    text = b"x" * (frame_bytes - overhead - len(head) - len(tail))
    return ready_frame(head + text + tail)


class Floor:
    """All connections, and what is still to be published."""

    def __init__(self, frame: bytes) -> None:
        self.subscribers: set[Connection] = set()
        self._frame = frame
        self._waiting: list[asyncio.Transport] = []

    def publish(self, publisher: asyncio.Transport) -> None:
        """Write the frame to each subscriber in a turn of the loop of its own."""
        self._waiting.append(publisher)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._publish_one)

    def _publish_one(self) -> None:
        frame = self._frame
        for subscriber in list(self.subscribers):
            # What no server can leave out: a client that does not read must not fill the memory.
            if subscriber.is_writable:
                subscriber.transport.write(frame)
        self._waiting.pop(0).write(_REPLY)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._publish_one)


class Connection(asyncio.Protocol):
    """Just enough HTTP and WebSocket to upgrade and to see that a frame came."""

    def __init__(self, floor: Floor) -> None:
        self.is_writable = True
        self._floor = floor
        self._received = b""
        self._upgraded = False
        self._is_publisher = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._upgraded:
            self._upgrade()
        elif self._is_publisher:
            self._count_frames()

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._floor.subscribers.discard(self)

    def _upgrade(self) -> None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.split(b"\r\n")
        key = next(
            line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._upgraded, self._received = True, rest
        self._is_publisher = lines[0].split(b" ")[1] == PUBLISHER_PATH
        if not self._is_publisher:
            self._floor.subscribers.add(self)

    def _count_frames(self) -> None:
        """Take each whole masked frame for a publication, whatever is in it."""
        while len(self._received) >= 8:
            size, head = self._received[1] & 0x7F, 6
            if size == 126:
                size, head = int.from_bytes(self._received[2:4], "big"), 8
            if len(self._received) < head + size:
                return
            self._received = self._received[head + size :]
            self._floor.publish(self.transport)


async def serve(port: int, frame_bytes: int) -> None:
    """Listen on loopback until the process ends."""
    floor = Floor(publication_frame(frame_bytes))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(floor), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The floor that fan-out is compared with.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--frame-bytes", type=int, default=150)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.frame_bytes))
