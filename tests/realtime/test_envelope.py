"""What events are as bytes between processes: nothing is lost, and what is foreign is refused."""

from typing import Any

import msgspec
import pytest
from channels_redis.serializers import registry
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from realtime.layers.envelope import UNPLACED, Envelope
from realtime.messages import EMPTY, ClientInfo, Joined, Left, Publication

KEYS = ["a key of the project"]
PLAIN = Envelope(registry.get_serializer("msgpack"))
SECRET = Envelope(registry.get_serializer("msgpack", symmetric_encryption_keys=KEYS))

raws = st.binary(min_size=1, max_size=50).map(Raw)
some = raws | st.just(EMPTY)
infos = st.builds(ClientInfo, user=st.text(), client=st.text(), conn_info=some, chan_info=some)
publications = st.builds(
    Publication,
    data=raws,
    info=st.none() | infos,
    tags=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    time=st.integers(min_value=0, max_value=2**62),
)


def contents(event: Publication | Joined | Left) -> Any:
    info = event.info
    who = None if info is None else (info.user, info.client, bytes(info.conn_info), bytes(info.chan_info))
    if not isinstance(event, Publication):
        return type(event), who
    return bytes(event.data), event.offset, event.time, event.tags, who


@pytest.mark.parametrize("envelope", [PLAIN, SECRET], ids=["plain", "encrypted"])
@given(publication=publications, offset=st.integers(min_value=1, max_value=2**53))
def test_a_publication_comes_back_as_it_was(
    envelope: Envelope, publication: Publication, offset: int
) -> None:
    body = envelope.encode_publication(publication)

    # As publish.lua writes it, and as the log holds it.
    heard, epoch = envelope.decode(b"p%d:aEp_-1:" % offset + body)
    read = envelope.decode_publication(body, offset)

    placed = msgspec.structs.replace(publication, offset=offset)
    assert (contents(heard), epoch) == (contents(placed), "aEp_-1")
    assert contents(read) == contents(placed)


@pytest.mark.parametrize("envelope", [PLAIN, SECRET], ids=["plain", "encrypted"])
@given(info=infos)
def test_joins_and_leaves_come_back_as_they_were(envelope: Envelope, info: ClientInfo) -> None:
    for event in (Joined(info), Left(info)):
        heard, epoch = envelope.decode(envelope.encode_event(event))
        assert (contents(heard), epoch) == (contents(event), "")
    assert contents(Joined(envelope.decode_info(envelope.encode_info(info)))) == contents(Joined(info))


def test_a_publication_of_no_log_has_no_place() -> None:
    body = PLAIN.encode_publication(Publication(data=Raw(b"1")))

    event, epoch = PLAIN.decode(UNPLACED + body)

    assert isinstance(event, Publication)
    assert (event.offset, epoch) == (0, "")


def test_what_a_client_did_not_say_is_absent_and_not_empty() -> None:
    info = PLAIN.decode_info(PLAIN.encode_info(ClientInfo(user="alice")))

    # The codecs know it by this very object.
    assert info.conn_info is EMPTY
    assert info.chan_info is EMPTY


def test_an_encrypted_body_shows_nothing() -> None:
    info = ClientInfo(user="alice", conn_info=Raw(b'"conn"'), chan_info=Raw(b'"chan"'))

    message = SECRET.encode_event(Joined(info))
    body = SECRET.encode_publication(Publication(data=Raw(b'"data"'), info=info, tags={"tag": "value"}))

    for secret in (b"alice", b"conn", b"chan", b"data", b"tag", b"value"):
        assert secret not in message + body


FOREIGN = (
    b"", b":", b"::", b"hello", b"x::a", b"p:e:a", b"p1:e:", b"p1:e:a", b"p-:e:a", b"p1:\xff:\x90",
    b"j::", b"l::\x90", b"j::\x91\xa1a",
)  # fmt: skip


@pytest.mark.parametrize("message", FOREIGN)
@pytest.mark.parametrize("envelope", [PLAIN, SECRET], ids=["plain", "encrypted"])
def test_a_message_of_another_make_is_refused(envelope: Envelope, message: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  # What the serializer raises; nothing else counts on it.
        envelope.decode(message)


@given(message=st.binary(max_size=60))
def test_any_bytes_are_an_event_or_refused(message: bytes) -> None:
    try:
        event, _ = PLAIN.decode(message)
    except Exception:  # noqa: BLE001  # As above.
        return
    assert isinstance(event, Publication | Joined | Left)


def test_a_body_of_another_key_is_refused() -> None:
    other = Envelope(registry.get_serializer("msgpack", symmetric_encryption_keys=["other"]))
    body = other.encode_publication(Publication(data=Raw(b"1")))

    with pytest.raises(Exception):  # noqa: B017, PT011  # As above.
        SECRET.decode_publication(body, 1)
