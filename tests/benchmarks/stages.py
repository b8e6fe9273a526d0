"""What each stage of a publication costs by itself: the real objects, in this process, without a socket.

Not included: the event loop, tasks, the ASGI call between server and application, and the kernel.
Each stage is run many times in a row, several times over; the quickest turn counts, since whatever
disturbs can only add. Warm caches make these the lower bounds of what the same code costs in a server.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Raw
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from consumers.frames import EXTENSION, FrameListener
from consumers.json_codec import JsonCodec
from consumers.pump import Pump
from realtime.codec import Batch
from realtime.errors import CloseCode
from realtime.messages import Command, PublishRequest, PublishResult, Reply
from realtime.session import Session
from realtime.testing import ManualNode
from realtime.topics.namespace import Namespace
from tests.benchmarks.frames import masked_frame

_TURNS = 7
_CALLS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """User CPU in microseconds: per publication, and `hand_over` per delivery."""

    parse_frame: float
    decode_command: float
    session_and_publisher: float
    append_to_log: float
    encode_reply: float
    encode_push: float
    hand_over: float


class _Sink:
    """A session's connection where replies go nowhere."""

    def __init__(self, codec: JsonCodec) -> None:
        self.codec = codec

    def send(self, reply: Reply) -> None: ...

    def write(self, batch: Batch) -> None: ...

    def write_latest(self, topic: str, batch: Batch) -> None: ...

    def close(self, code: CloseCode) -> None:
        raise AssertionError(f"closed with {code}, expected nothing but replies")

    def submit(self, job: Callable[[], Awaitable[None]]) -> None: ...


class _NullWriter:
    """Implements FrameWriter (consumers/frames.py); the socket it writes to is endless and free."""

    def listen(self, listener: FrameListener) -> None: ...

    def write(self, frames: bytes) -> None: ...

    def get_buffered_bytes(self) -> int:
        return 0

    def close(self, code: CloseCode) -> None: ...


async def measure(message: bytes, data: bytes, *, subscribers: int) -> Stages:
    """`message` is the client's command as JSON; `data` its payload. Needs a running loop."""
    codec = JsonCodec()
    node = ManualNode(
        Namespace(name="", allow_publish_for_client=True),
        Namespace(
            name="log",
            allow_subscribe_for_client=True,
            allow_publish_for_client=True,
            history_size=100,
            history_ttl=300,
            force_recovery=True,
        ),
    )
    publisher = await _connect(node, Session(node=node.node, connection=_Sink(codec)))
    plain, kept = _publish("bench", data), _publish("log:bench", data)

    async def publish_plain() -> None:
        await publisher.handle(plain)

    async def publish_kept() -> None:
        await publisher.handle(kept)

    async def publish_and_deliver() -> None:
        await publisher.handle(kept)
        node.scheduler.run()

    without_log = await _micros(publish_plain)
    with_log = await _micros(publish_kept)
    await _subscribe(node, codec)
    to_one = await _micros(publish_and_deliver)
    for _ in range(subscribers - 1):
        await _subscribe(node, codec)
    to_all = await _micros(publish_and_deliver, calls=max(_CALLS // subscribers, 20))
    hand_over = (to_all - to_one) / (subscribers - 1)
    return Stages(
        parse_frame=await _micros(_parse(masked_frame(message))),
        decode_command=await _micros(_decode(codec, message)),
        session_and_publisher=without_log,
        append_to_log=with_log - without_log,
        encode_reply=await _micros(_encode_reply(codec)),
        encode_push=to_one - with_log - hand_over,
        hand_over=hand_over,
    )


def _parse(frame: bytes) -> Callable[[], Awaitable[None]]:
    protocol = ServerProtocol(state=OPEN)

    async def parse() -> None:
        protocol.receive_data(frame)
        if len(protocol.events_received()) != 1:
            raise AssertionError("expected one frame to make one event")

    return parse


def _decode(codec: JsonCodec, message: bytes) -> Callable[[], Awaitable[None]]:
    async def decode() -> None:
        # uvicorn decodes text frames; msgspec takes the string.
        codec.decode(message.decode())

    return decode


def _encode_reply(codec: JsonCodec) -> Callable[[], Awaitable[None]]:
    async def encode() -> None:
        codec.batch([codec.encode_reply(Reply(id=12_345, publish=PublishResult()))])

    return encode


async def _connect(node: ManualNode, session: Session) -> Session:
    session.open()
    token = node.token("42")
    await session.handle(JsonCodec().decode(b'{"id":1,"connect":{"token":"%s"}}' % token.encode())[0])
    return session


async def _subscribe(node: ManualNode, codec: JsonCodec) -> None:
    """Adds a subscriber of log:bench whose connection is the real pump over a null writer."""

    async def nothing(*_: Any) -> Any:
        raise AssertionError("this pump is only written to")

    scope = {"type": "websocket", "extensions": {EXTENSION: _NullWriter()}}
    pump = Pump(node=node.node, codec=codec, scope=scope, receive=nothing, send=nothing)
    session = await _connect(node, Session(node=node.node, connection=pump))
    await session.handle(codec.decode(b'{"id":2,"subscribe":{"channel":"log:bench"}}')[0])
    # Sends the replies, so that the outlet writes directly from here on.
    pump.write(codec.batch([]))


def _publish(topic: str, data: bytes) -> Command:
    return Command(id=12_345, publish=PublishRequest(channel=topic, data=Raw(data)))


async def _micros(call: Callable[[], Awaitable[None]], *, calls: int = _CALLS) -> float:
    """Return the microseconds of CPU that one call takes, without those of calling nothing."""
    return await _quickest(call, calls) - await _quickest(_nothing, calls)


async def _quickest(call: Callable[[], Awaitable[None]], calls: int) -> float:
    best = float("inf")
    for _ in range(_TURNS):
        began = time.thread_time_ns()
        for _ in range(calls):
            await call()
        best = min(best, (time.thread_time_ns() - began) / calls / 1000)
    return best


async def _nothing() -> None: ...
