"""A connection without a socket: it keeps what a session or the hub sends, as messages, not bytes."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from realtime.codec import Batch
from realtime.errors import CloseCode
from realtime.messages import Push, Reply


class Encoded(bytes):
    """Stands for the bytes of one message; carries the message itself."""

    reply: Reply

    def __new__(cls, reply: Reply) -> "Encoded":
        encoded = super().__new__(cls)
        encoded.reply = reply
        return encoded


class TransparentCodec:
    """Implements Codec (realtime/codec.py) without encoding anything; counts what it is asked to."""

    def __init__(self) -> None:
        self.encoded_pushes = 0
        self.batches = 0

    def encode_reply(self, reply: Reply) -> bytes:
        return Encoded(reply)

    def encode_push(self, push: Push) -> bytes:
        self.encoded_pushes += 1
        return Encoded(Reply(push=push))

    def batch(self, messages: Sequence[bytes]) -> Batch:
        self.batches += 1
        return Batch(messages, b"".join(messages))


class FakeConnection:
    """Implements Connection (realtime/session.py).

    `received` has every reply and push, in the order in which a client would read them; `close_code`
    is None while the connection is open. Submitted jobs wait for `run_jobs`.
    """

    def __init__(self, codec: TransparentCodec | None = None) -> None:
        self.codec = codec or TransparentCodec()
        self.received: list[Reply] = []
        self.close_code: CloseCode | None = None
        # How often something was written, however many messages it had.
        self.writes = 0
        # Topics whose batches might have been left out, had the client been slow.
        self.conflated_topics: list[str] = []
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()

    # ── What the session and the hub call ─────────────────────────────────────────────────────

    def send(self, reply: Reply) -> None:
        if self.close_code is None:
            self.received.append(reply)

    def write(self, batch: Batch) -> None:
        if self.close_code is None:
            self.writes += 1
            self.received += [message.reply for message in batch.messages if isinstance(message, Encoded)]

    def write_latest(self, topic: str, batch: Batch) -> None:
        if self.close_code is None:
            self.conflated_topics.append(topic)
            self.write(batch)

    def close(self, code: CloseCode) -> None:
        if self.close_code is None:
            self.close_code = code

    def submit(self, job: Callable[[], Awaitable[None]]) -> None:
        if self.close_code is None:
            self._jobs.append(job)

    # ── For the test ──────────────────────────────────────────────────────────────────────────

    @property
    def pushes(self) -> list[Push]:
        return [reply.push for reply in self.received if reply.push is not None]

    async def run_jobs(self) -> None:
        """Runs what was submitted, one after the other, and what that submits."""
        while self._jobs:
            await self._jobs.popleft()()
