"""WebSocket frames as a load client needs them: masked ones out, whole ones in. Not a WebSocket library."""

from dataclasses import dataclass

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

# Neither secret nor random: masking protects proxies from scripts in browsers, and neither is here.
# Not zero either, so that the server has real work to unmask.
MASK = b"\x37\xfa\x21\x3d"

# Any 16 bytes will do; these are the ones of the example in RFC 6455, section 1.3.
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a WebSocket server listens."""

    port: int
    path: str
    host: str = "127.0.0.1"
    cookie: str = ""

    def upgrade_request(self) -> bytes:
        """Return the HTTP request that opens a WebSocket here."""
        origin = f"{self.host}:{self.port}"
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {origin}\r\nOrigin: http://{origin}\r\n{cookie}"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()


def masked_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return one whole frame from client to server. `payload` holds at most 65,535 bytes."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + MASK + masked(payload)


def masked(payload: bytes) -> bytes:
    """Return `payload` with the mask put on, or taken off again."""
    size = len(payload)
    pattern = (MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def ready_frame(payload: bytes) -> bytes:
    """Return one whole text frame from server to client."""
    size = len(payload)
    if size < 126:
        return bytes([0x81, size]) + payload
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


def frame_span(data: bytes | bytearray, start: int, stop: int) -> tuple[int, int] | None:
    """Return where the payload of the unmasked frame at `start` begins and ends.

    None: the frame is not whole before `stop`.
    """
    if start + 2 > stop:
        return None
    size = data[start + 1]
    begin = start + 2
    if size >= 126:
        begin += 2 if size == 126 else 8
        size = int.from_bytes(data[start + 2 : begin], "big")
    end = begin + size
    return (begin, end) if begin <= stop and end <= stop else None
