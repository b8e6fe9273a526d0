"""Frame bytes, read by websockets' own parser."""

from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from consumers.frames import BINARY, EXTENSION, TEXT, frame, get_writer


def parse(data: bytes) -> list[Frame]:
    """The frames in `data`, as a client of the other library reads them; all of it must be frames."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while not run(reader.at_eof()):
        frames.append(run(Frame.parse(reader.read_exact, mask=False)))
    return frames


def run(steps: Any) -> Any:
    """websockets' parser is a generator that yields where it needs more bytes: here it has them all."""
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the frame ends before its length says so")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize(("opcode", "expected"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
def test_a_frame_of_any_length_is_read_back(length: int, opcode: int, expected: Opcode) -> None:
    payload = (b"0123456789" * (length // 10 + 1))[:length]

    [read] = parse(frame(payload, opcode))

    assert (read.opcode, read.fin, bytes(read.data)) == (expected, True, payload)


def test_frames_can_be_written_one_after_the_other() -> None:
    data = b"".join(frame(b"x" * length, TEXT) for length in (125, 126, 65_536, 0))

    assert [len(read.data) for read in parse(data)] == [125, 126, 65_536, 0]


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536])
def test_the_length_takes_no_more_bytes_than_it_must(length: int) -> None:
    assert frame(b"x" * length, TEXT) == Frame(Opcode.TEXT, b"x" * length).serialize(mask=False)


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {}}])
def test_a_server_without_the_extension_offers_no_writer(scope: dict[str, Any]) -> None:
    assert get_writer(scope) is None


def test_a_server_with_the_extension_offers_its_writer() -> None:
    writer = object()

    assert get_writer({"extensions": {EXTENSION: writer}}) is writer
