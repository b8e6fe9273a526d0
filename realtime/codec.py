"""What the engine asks of a wire protocol's codec. The codecs themselves are in consumers/."""

from collections.abc import Sequence
from typing import Protocol

from realtime.messages import Push, Reply


class Batch:
    """Messages encoded once for every connection that speaks the same codec.

    `frames` is ready for a socket: one frame per message, back to back. `messages` is the same
    before framing, for servers that frame by themselves.
    """

    __slots__ = ("frames", "messages")

    def __init__(self, messages: Sequence[bytes], frames: bytes) -> None:
        self.messages = messages
        self.frames = frames

    @classmethod
    def joined(cls, batches: Sequence["Batch"]) -> "Batch":
        """Several batches as one; of the same codec."""
        messages = [message for batch in batches for message in batch.messages]
        return cls(messages, b"".join([batch.frames for batch in batches]))


class Codec(Protocol):
    """Pure and stateless; one instance serves every connection of the process."""

    def encode_reply(self, reply: Reply) -> bytes: ...

    def encode_push(self, push: Push) -> bytes: ...

    def batch(self, messages: Sequence[bytes]) -> Batch: ...
