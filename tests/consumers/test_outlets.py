"""The way out of a connection: order, what piles up, who is slow, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest

from consumers.outlets import CHUNK_BYTES, CONGESTED_BYTES, DirectOutlet, QueuedOutlet
from realtime.codec import Batch
from realtime.errors import CloseCode
from tests.consumers.sockets import CODEC, FakeSend, FakeWriter
from tests.realtime.layers import settle

MAX_BYTES = 10_000
WINDOW_BYTES = 4_000


def reply(number: int, size: int = 0) -> bytes:
    return b'{"id":%d,"rpc":{"data":"%s"}}' % (number, b"x" * size)


def batch(number: int, size: int = 0) -> Batch:
    return CODEC.batch([b'{"push":{"id":%d,"message":{"data":"%s"}}}' % (number, b"x" * size)])


def number_of(message: Any) -> int:
    """Both kinds of messages above carry one; a ping has none."""
    number: int = message.get("id") or message.get("push", {}).get("id", 0)
    return number


class DirectRig:
    def __init__(self) -> None:
        self.slow: list[int] = []
        self.writer = FakeWriter()
        self.outlet = DirectOutlet(
            writer=self.writer, codec=CODEC, max_bytes=MAX_BYTES, on_slow=lambda: self.slow.append(1)
        )

    def stop_reading(self) -> None:
        self.writer.is_reading = False

    def read_on(self) -> None:
        self.writer.read_on()

    def numbers(self) -> list[int]:
        return [number_of(message) for message in self.writer.messages()]

    def count_writes(self) -> int:
        return len(self.writer.writes)

    @property
    def close_code(self) -> int | None:
        return self.writer.close_code


class QueuedRig:
    def __init__(self, *, window_bytes: int = 0) -> None:
        self.slow: list[int] = []
        self.send = FakeSend()
        self.outlet = QueuedOutlet(
            send=self.send,
            codec=CODEC,
            max_bytes=MAX_BYTES,
            window_bytes=window_bytes,
            ping=b"{}",
            on_slow=lambda: self.slow.append(1),
        )

    def stop_reading(self) -> None:
        self.send.stop_reading()

    def read_on(self) -> None:
        self.send.read_on()

    def numbers(self) -> list[int]:
        return [number_of(message) for message in self.send.messages()]

    def count_writes(self) -> int:
        return len(self.send.texts)

    @property
    def close_code(self) -> int | None:
        return self.send.close_code


Rig: TypeAlias = DirectRig | QueuedRig


@pytest.fixture(params=[DirectRig, QueuedRig])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    rig: Rig = request.param()
    yield rig
    rig.outlet.abandon()
    await settle()


@pytest.fixture
async def direct() -> DirectRig:
    return DirectRig()


@pytest.fixture
async def queued() -> AsyncIterator[QueuedRig]:
    rig = QueuedRig()
    yield rig
    rig.outlet.abandon()
    await settle()


@pytest.fixture
async def windowed() -> AsyncIterator[QueuedRig]:
    rig = QueuedRig(window_bytes=WINDOW_BYTES)
    yield rig
    rig.outlet.abandon()
    await settle()


# ── What both do ──────────────────────────────────────────────────────────────────────────────


async def test_replies_and_pushes_leave_in_the_order_in_which_they_were_given(rig: Rig) -> None:
    for number in (1, 4):
        rig.outlet.send(reply(number))
        rig.outlet.write(batch(number + 1))
        rig.outlet.write_latest("a", batch(number + 2))
    await settle()

    assert rig.numbers() == [1, 2, 3, 4, 5, 6]


async def test_replies_of_one_tick_leave_in_one_message(rig: Rig) -> None:
    for number in (1, 2, 3):
        rig.outlet.send(reply(number))
    await settle()

    assert rig.numbers() == [1, 2, 3]
    assert rig.count_writes() == 1


async def test_a_client_that_reads_again_gets_everything_in_order(rig: Rig) -> None:
    rig.stop_reading()
    for number in range(1, 9):
        if number % 3:
            rig.outlet.write(batch(number, 500))
        else:
            rig.outlet.send(reply(number, 500))
        await settle()

    rig.read_on()
    await settle()

    assert rig.numbers() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rig.slow == []


async def test_a_client_for_whom_too_much_waits_is_slow(rig: Rig) -> None:
    rig.stop_reading()

    for number in range(1, 40):
        rig.outlet.write(batch(number, 1000))
        await settle()
        if rig.slow:
            break

    # What the transport holds before it says that it is full comes on top of the bound.
    assert MAX_BYTES <= number * 1000 <= MAX_BYTES + 4_000


async def test_a_slow_client_is_closed_without_waiting_for_it_to_read(rig: Rig) -> None:
    for number in range(1, 5):
        rig.outlet.write(batch(number, 1000))
        await settle()

    rig.outlet.close(CloseCode.SLOW)
    await settle()

    assert rig.close_code == 3008


async def test_no_reply_makes_a_client_slow_however_large(rig: Rig) -> None:
    rig.stop_reading()

    rig.outlet.send(reply(1, 5 * MAX_BYTES))
    await settle()
    rig.outlet.write(batch(2))
    await settle()

    assert rig.slow == []


async def test_of_a_topic_that_conflates_only_the_newest_waits(rig: Rig) -> None:
    rig.stop_reading()
    rig.outlet.write(batch(1, 2000))
    await settle()

    for number in range(2, 100):
        rig.outlet.write_latest("a" if number % 2 else "b", batch(number, 1000))
        await settle()
    rig.read_on()
    await settle()

    assert rig.slow == []
    received = rig.numbers()
    assert {98, 99} <= set(received)
    assert len(received) <= 5
    assert received[0] == 1


async def test_replies_are_not_overtaken_by_what_was_published_later(rig: Rig) -> None:
    rig.stop_reading()
    rig.outlet.write(batch(1, 2000))
    await settle()

    rig.outlet.write_latest("a", batch(2))
    rig.outlet.send(reply(3))
    rig.outlet.write(batch(4))
    rig.read_on()
    await settle()

    received = rig.numbers()
    assert received.index(3) < received.index(4)


async def test_the_newest_of_a_topic_does_not_overtake_the_reply_that_lets_the_client_in_again(
    rig: Rig,
) -> None:
    rig.stop_reading()
    rig.outlet.write(batch(1, 2000))
    await settle()

    rig.outlet.write_latest("a", batch(2))
    rig.outlet.send(reply(3))
    rig.outlet.write_latest("a", batch(4))
    rig.outlet.write_latest("a", batch(5))
    rig.read_on()
    await settle()

    received = rig.numbers()
    assert received.index(3) < received.index(5)
    assert 4 not in received


async def test_closing_sends_what_waits_and_then_nothing_more(rig: Rig) -> None:
    rig.outlet.send(reply(1))
    rig.outlet.write(batch(2))

    rig.outlet.send(reply(3))
    rig.outlet.close(CloseCode.SHUTDOWN)
    rig.outlet.send(reply(4))
    rig.outlet.write(batch(5))
    rig.outlet.write_latest("a", batch(6))
    rig.outlet.close(CloseCode.CLOSED)
    await settle()

    assert rig.numbers() == [1, 2, 3]
    assert rig.close_code == 3001


async def test_a_client_that_is_gone_is_sent_nothing(rig: Rig) -> None:
    rig.outlet.send(reply(1))
    rig.outlet.abandon()
    rig.outlet.send(reply(2))
    rig.outlet.write(batch(3))
    rig.outlet.close(CloseCode.CLOSED)
    await settle()

    assert (rig.numbers(), rig.close_code) == ([], None)


@pytest.mark.parametrize("ending", ["read_on", "close", "abandon"])
async def test_whoever_waits_for_a_congested_client_goes_on_when_it_reads_or_is_gone(
    rig: Rig, ending: str
) -> None:
    rig.stop_reading()
    rig.outlet.send(reply(1, 2 * CONGESTED_BYTES))
    rig.outlet.send(reply(2, 2 * CONGESTED_BYTES))
    await settle()
    assert rig.outlet.is_congested
    waiting = asyncio.ensure_future(rig.outlet.wait_until_drained())
    await settle()
    assert not waiting.done()

    match ending:
        case "read_on":
            rig.read_on()
        case "close":
            rig.outlet.close(CloseCode.CLOSED)
        case _:
            rig.outlet.abandon()

    await waiting


async def test_nobody_waits_for_a_client_that_reads(rig: Rig) -> None:
    rig.outlet.send(reply(1, 10))

    await rig.outlet.wait_until_drained()

    assert not rig.outlet.is_congested


# ── The direct one ────────────────────────────────────────────────────────────────────────────


async def test_a_batch_is_written_in_the_same_tick_as_it_is(direct: DirectRig) -> None:
    direct.outlet.write(batch(1))

    assert direct.writer.writes == [batch(1).frames]


async def test_a_reply_and_the_batch_behind_it_are_one_write(direct: DirectRig) -> None:
    direct.outlet.send(reply(1))
    direct.outlet.write(batch(2))

    assert direct.numbers() == [1, 2]
    assert len(direct.writer.writes) == 1
    await settle()
    assert len(direct.writer.writes) == 1


async def test_much_in_one_tick_makes_nobody_slow_who_reads_it_in_the_next(direct: DirectRig) -> None:
    direct.stop_reading()

    for number in range(1, 30):
        direct.outlet.write(batch(number, 1000))
    direct.read_on()
    await settle()

    assert direct.slow == []
    assert direct.numbers() == list(range(1, 30))


async def test_slowness_is_told_once_a_tick(direct: DirectRig) -> None:
    direct.stop_reading()

    for number in range(1, 30):
        direct.outlet.write(batch(number, 1000))
    await settle()

    assert len(direct.slow) == 1


# ── The queued one ────────────────────────────────────────────────────────────────────────────


async def test_what_piles_up_leaves_in_messages_of_moderate_size(queued: QueuedRig) -> None:
    queued.stop_reading()
    for number in range(1, 60):
        queued.outlet.send(reply(number, 2000))

    queued.read_on()
    await settle()

    assert queued.numbers() == list(range(1, 60))
    assert max(map(len, queued.send.texts)) <= CHUNK_BYTES + 2_100


async def test_a_server_that_takes_everything_is_given_a_window_at_a_time(
    windowed: QueuedRig,
) -> None:
    for number in range(1, 9):
        windowed.outlet.write(batch(number, 1000))
        await settle()
    before = windowed.numbers()

    windowed.outlet.acknowledge()
    await settle()

    # The ping stands behind the window, and the rest behind its answer.
    assert before == [1, 2, 3, 4, 0]
    assert windowed.numbers() == [1, 2, 3, 4, 0, 5, 6, 7, 8, 0]


async def test_a_client_that_answers_no_ping_becomes_slow_and_is_closed(windowed: QueuedRig) -> None:
    for number in range(1, 40):
        windowed.outlet.write(batch(number, 1000))
        await settle()
        if windowed.slow:
            break

    windowed.outlet.close(CloseCode.SLOW)
    await settle()

    assert windowed.close_code == 3008
    assert len(windowed.numbers()) == 5


@pytest.mark.parametrize(("code", "sent"), [(CloseCode.MESSAGE_TOO_BIG, 3501), (CloseCode.STALE, 3502)])
async def test_a_final_close_is_told_as_a_push_too(queued: QueuedRig, code: CloseCode, sent: int) -> None:
    queued.outlet.close(code)
    await settle()

    [told] = queued.send.messages()
    assert told["push"]["disconnect"]["code"] == sent
    assert queued.close_code == sent


async def test_a_server_that_raises_has_lost_its_client(queued: QueuedRig) -> None:
    queued.send.error = RuntimeError("the client is gone")

    queued.outlet.send(reply(1))
    await settle()
    queued.send.error = None
    queued.outlet.send(reply(2))
    await settle()

    assert queued.numbers() == []


async def test_an_idle_outlet_has_no_task(queued: QueuedRig) -> None:
    before = len(asyncio.all_tasks())
    queued.outlet.send(reply(1))
    await settle()

    assert len(asyncio.all_tasks()) == before
