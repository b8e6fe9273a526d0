"""A client that does what an SDK does about lost connections and subscriptions, at a tenth of the cost.

It connects, subscribes, answers pings; comes back after a close; subscribes again after an unsubscribe
with a code of 2500 and above or a temporary error, and asks for what it missed. What it got is in
`trails`; whatever an SDK would give up at is in `failures`.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from realtime.errors import CloseCode
from realtime.messages import Position
from tests.benchmarks.frames import CLOSE, PING, PONG, TEXT, Endpoint, frame_span, masked_frame
from tests.end_to_end.faults import Trail

# As SDKs have them; the delays are shorter, as there is much to do in little time.
REPLY_SECONDS = 5.0
PING_GRACE_SECONDS = 10.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.05, 0.5


class Data(msgspec.Struct):
    mark: str


class Published(msgspec.Struct):
    data: Data
    offset: int = 0


class Unsubscribed(msgspec.Struct):
    code: int


class Push(msgspec.Struct):
    channel: str = ""
    pub: Published | None = None
    unsubscribe: Unsubscribed | None = None


class Error(msgspec.Struct):
    code: int
    temporary: bool = False


class Connected(msgspec.Struct):
    ping: int


class Subscribed(msgspec.Struct):
    epoch: str = ""
    offset: int = 0
    recovered: bool = False
    was_recovering: bool = False
    publications: list[Published] = []


class Message(msgspec.Struct):
    id: int = 0
    error: Error | None = None
    connect: Connected | None = None
    subscribe: Subscribed | None = None
    push: Push | None = None


_decode = msgspec.json.Decoder(Message).decode
_PONG = masked_frame(b"{}")


class LeanClient:
    """Begins with `start()`; goes on until `stop()`."""

    def __init__(self, port: int, topics: Sequence[str], *, token: str, rng: random.Random) -> None:
        self.trails: dict[str, Trail] = {topic: Trail() for topic in topics}
        self.failures: list[str] = []
        self.token = token
        self.rng = rng
        self._endpoint = Endpoint(port=port, path="/connection/websocket")
        self._conversation: Conversation | None = None
        self._life: asyncio.Task[None] | None = None
        self._attempts = 0

    async def start(self) -> None:
        self._life = asyncio.create_task(self._live())

    async def stop(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])

    def cut(self) -> None:
        """The socket is gone, and what was on its way with it."""
        if self._conversation is not None:
            self._conversation.abort()

    def publish(self, topic: str, data: Any) -> "asyncio.Future[bool]":
        """False: an error, or no answer; it may have happened all the same."""
        if self._conversation is None:
            outcome = asyncio.get_running_loop().create_future()
            outcome.set_result(False)
            return outcome
        return self._conversation.publish(topic, data)

    def note_connected(self) -> None:
        self._attempts = 0

    async def _live(self) -> None:
        while True:
            conversation = self._conversation = Conversation(self, self._endpoint)
            await conversation.hold()
            if not CloseCode.of(conversation.close_code).reconnects:
                self.failures.append(f"closed with {conversation.close_code}")
                return
            await asyncio.sleep(self.next_delay(self._attempts))
            self._attempts += 1

    def next_delay(self, attempts: int) -> float:
        return self.rng.uniform(0, min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(attempts, 10)))


class Conversation(asyncio.Protocol):
    """One connection of a LeanClient, from the handshake to its end."""

    def __init__(self, client: LeanClient, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.close_code = 0
        self._loop = loop
        self._client = client
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._is_upgraded = False
        self._rest = b""
        self._last_id = 0
        # What is waited for: "" for the connect command, else the topic that is subscribed.
        self._waiting: dict[int, str] = {}
        self._publishing: dict[int, asyncio.Future[bool]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._attempts = dict.fromkeys(client.trails, 0)
        self._ping_by = 0.0
        self._ping_seconds = 0.0

    async def hold(self) -> None:
        """Returns when it has ended, or could not begin."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await self._loop.create_connection(lambda: self, self._endpoint.host, self._endpoint.port)
            await self.closed
        except (OSError, TimeoutError):
            # Nobody is there just now.
            pass
        finally:
            self.abort()

    def publish(self, topic: str, data: Any) -> "asyncio.Future[bool]":
        outcome = self._loop.create_future()
        if self._is_upgraded and not self.closed.done():
            number = self._send(publish={"channel": topic, "data": data})
            self._publishing[number] = outcome
            self._later(REPLY_SECONDS, lambda: self._settle(number, is_done=False))
        else:
            outcome.set_result(False)
        return outcome

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ── asyncio ───────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._endpoint.upgrade_request())
        self._later(REPLY_SECONDS, self._give_up_unless_upgraded)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for timer in self._timers:
            timer.cancel()
        for number in list(self._publishing):
            self._settle(number, is_done=False)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._is_upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                # A server that stops, or a worker that is full: come back.
                self.abort()
                return
            self._is_upgraded = True
            self._ask("", connect={"token": self._client.token})
        start = 0
        while (span := frame_span(data, start, len(data))) is not None:
            begin, end_of_frame = span
            self._take_frame(data[start] & 0x0F, data[begin:end_of_frame])
            start = end_of_frame
        self._rest = data[start:]

    # ── In ────────────────────────────────────────────────────────────────────────────────────

    def _take_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            for line in payload.split(b"\n"):
                if line == b"{}":
                    self._ping_by = self._loop.time() + self._ping_seconds
                    self._write(_PONG)
                else:
                    self._take(_decode(line))
        elif opcode == PING:
            self._write(masked_frame(payload, PONG))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.abort()

    def _take(self, message: Message) -> None:
        push = message.push
        if push is not None:
            if push.pub is not None:
                self._client.trails[push.channel].take(push.pub.offset, push.pub.data.mark)
            elif push.unsubscribe is not None:
                self._take_unsubscribe(push.channel, push.unsubscribe.code)
        elif message.id in self._publishing:
            self._settle(message.id, is_done=message.error is None)
        elif message.id in self._waiting:
            topic = self._waiting.pop(message.id)
            if message.error is not None:
                self._take_error(topic, message.error)
            elif message.connect is not None:
                self._take_connected(message.connect)
            elif message.subscribe is not None:
                self._take_subscribed(topic, message.subscribe)

    def _take_connected(self, result: Connected) -> None:
        self._client.note_connected()
        self._ping_seconds = result.ping + PING_GRACE_SECONDS
        self._ping_by = self._loop.time() + self._ping_seconds
        self._look_for_pings()
        for topic in self._client.trails:
            self._subscribe(topic)

    def _take_subscribed(self, topic: str, result: Subscribed) -> None:
        trail = self._client.trails[topic]
        self._attempts[topic] = 0
        if result.was_recovering and result.recovered:
            trail.go_on()
        else:
            trail.begin(Position(result.offset, result.epoch))
        for publication in result.publications:
            trail.take(publication.offset, publication.data.mark)

    def _take_error(self, topic: str, error: Error) -> None:
        if not error.temporary:
            self._client.failures.append(f"{topic or 'connect'}: error {error.code}")
        if not topic:
            self.abort()
        elif error.temporary:
            delay = self._client.next_delay(self._attempts[topic])
            self._attempts[topic] += 1
            self._later(delay, lambda: self._subscribe(topic))

    def _take_unsubscribe(self, topic: str, code: int) -> None:
        if code < 2500:
            self._client.failures.append(f"{topic}: unsubscribed with {code}")
        else:
            self._subscribe(topic)

    # ── Out ───────────────────────────────────────────────────────────────────────────────────

    def _subscribe(self, topic: str) -> None:
        trail = self._client.trails[topic]
        request: dict[str, Any] = {"channel": topic}
        if trail.has_begun:
            position = trail.position
            request |= {"recover": True, "epoch": position.epoch, "offset": position.offset}
        self._ask(topic, subscribe=request)

    def _ask(self, topic: str, **command: Any) -> None:
        """Whoever gets no answer to connect or subscribe gives the connection up."""
        number = self._send(**command)
        self._waiting[number] = topic
        self._later(REPLY_SECONDS, lambda: self._give_up_if_waiting(number))

    def _send(self, **command: Any) -> int:
        self._last_id += 1
        self._write(masked_frame(msgspec.json.encode({"id": self._last_id, **command})))
        return self._last_id

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _settle(self, number: int, *, is_done: bool) -> None:
        outcome = self._publishing.pop(number, None)
        if outcome is not None and not outcome.done():
            outcome.set_result(is_done)

    def _give_up_unless_upgraded(self) -> None:
        if not self._is_upgraded:
            self.abort()

    def _give_up_if_waiting(self, number: int) -> None:
        if number in self._waiting:
            self.abort()

    def _look_for_pings(self) -> None:
        if self._loop.time() > self._ping_by:
            self.abort()
        else:
            self._later(PING_GRACE_SECONDS, self._look_for_pings)

    def _later(self, seconds: float, callback: Any) -> None:
        def run() -> None:
            self._timers.discard(timer)
            callback()

        timer = self._loop.call_later(seconds, run)
        self._timers.add(timer)
