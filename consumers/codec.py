"""What a wire protocol's codec can do for the pump, besides what the engine asks of it."""

from collections.abc import Sequence
from typing import Protocol

from realtime.codec import Codec
from realtime.messages import Command


class WireCodec(Codec, Protocol):
    """`is_text`: messages go into text frames, else into binary ones."""

    is_text: bool

    def decode(self, message: bytes | str) -> list[Command]:
        """The commands of one WebSocket message. Raises Disconnect 3501 for what is malformed."""

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Several messages as one."""
