"""The native protocol in Protobuf, both ways against the classes that the published SDK generated."""

from typing import Any

import pytest
from centrifuge.protocol import client_pb2
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from consumers.protobuf import NUMBERS, ProtobufCodec
from realtime import messages as m
from realtime.errors import CloseCode, Disconnect
from tests.consumers.messages import PAYLOADS, commands, payloads_of, pushes, replies

codec = ProtobufCodec()
RANDOM = payloads_of(PAYLOADS)


def as_dict(value: Any) -> Any:
    """A message of ours as a dict without what is zero, as Protobuf has it."""
    match value:
        case Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return {name: as_dict(each) for name, each in fields.items() if is_set(each)}
        case Raw():
            return bytes(value)
        case list():
            return [as_dict(each) for each in value]
        case dict():
            return {name: as_dict(each) for name, each in value.items()}
        case _:
            return value


def is_set(value: Any) -> bool:
    if isinstance(value, Struct):
        return True
    return len(value) > 0 if isinstance(value, Raw | list | dict | str) else bool(value)


def theirs_as_dict(message: Any) -> Any:
    """A message of the SDK's classes in the same form."""
    fields: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_messages = field.message_type.fields_by_name["value"].message_type is not None
            fields[field.name] = {
                key: theirs_as_dict(each) if of_messages else each for key, each in value.items()
            }
        elif field.is_repeated:
            fields[field.name] = [theirs_as_dict(each) for each in value]
        elif field.message_type is not None:
            fields[field.name] = theirs_as_dict(value)
        else:
            fields[field.name] = value
    return fields


def read_by_them(encoded: bytes) -> Any:
    """One varint-delimited message, to its last byte, read by the SDK's own class."""
    reply, length = client_pb2.Reply(), 0
    for shift, byte in enumerate(encoded):
        length |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            assert len(encoded) == shift + 1 + length
            reply.ParseFromString(encoded[shift + 1 :])
            return reply
    raise AssertionError("no length")


def fill(target: Any, values: dict[str, Any]) -> None:
    """Puts a dict into a message of the SDK's classes."""
    for name, value in values.items():
        field = target.DESCRIPTOR.fields_by_name[name]
        if isinstance(value, dict) and field.message_type.GetOptions().map_entry:
            for key, each in value.items():
                if isinstance(each, dict):
                    getattr(target, name)[key].SetInParent()
                    fill(getattr(target, name)[key], each)
                else:
                    getattr(target, name)[key] = each
        elif isinstance(value, dict):
            getattr(target, name).SetInParent()
            fill(getattr(target, name), value)
        else:
            setattr(target, name, value)


def written_by_them(command: m.Command) -> bytes:
    theirs = client_pb2.Command()
    fill(theirs, as_dict(command))
    body: bytes = theirs.SerializeToString()
    length, prefix = len(body), bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + body


# ── The schema ────────────────────────────────────────────────────────────────────────────────

# Messages that are called something else in the public schema.
THEIR_NAMES = {
    m.Position: "StreamPosition",
    m.Joined: "Join",
    m.Left: "Leave",
    m.RpcRequest: "RPCRequest",
    m.RpcResult: "RPCResult",
    m.Connected: "Connect",
    m.Unsubscribed: "Unsubscribe",
    m.Subscribed: "Subscribe",
    m.ServerMessage: "Message",
    m.Disconnected: "Disconnect",
    m.Refreshed: "Refresh",
}


@pytest.mark.parametrize("struct", list(NUMBERS), ids=lambda struct: struct.__name__)
def test_field_numbers_are_those_of_the_public_schema(struct: type[Struct]) -> None:
    theirs = getattr(client_pb2, THEIR_NAMES.get(struct, struct.__name__)).DESCRIPTOR
    numbers = {field.name: field.number for field in theirs.fields}

    assert NUMBERS[struct] == {name: numbers[name] for name in NUMBERS[struct]}


def test_every_field_of_every_message_has_a_number() -> None:
    assert {struct: set(numbers) for struct, numbers in NUMBERS.items()} == {
        struct: set(struct.__struct_fields__) for struct in NUMBERS
    }


# ── Both ways ─────────────────────────────────────────────────────────────────────────────────


@given(replies(RANDOM))
def test_the_sdk_reads_every_reply_as_it_was_meant(reply: m.Reply) -> None:
    expected = as_dict(reply)

    assert theirs_as_dict(read_by_them(codec.encode_reply(reply))) == expected


@given(pushes(RANDOM))
def test_the_sdk_reads_every_push_as_it_was_meant(push: m.Push) -> None:
    expected = {"push": as_dict(push)}

    assert theirs_as_dict(read_by_them(codec.encode_push(push))) == expected


@given(st.lists(commands(RANDOM), max_size=3))
def test_every_command_of_the_sdk_is_read_as_it_was_meant(sent: list[m.Command]) -> None:
    read = codec.decode(b"".join(map(written_by_them, sent)))

    assert [as_dict(command) for command in read] == [as_dict(command) for command in sent]


def test_the_empty_message_is_a_ping_and_a_pong() -> None:
    assert codec.encode_reply(m.Reply()) == b"\x00"
    assert codec.decode(b"\x00") == [m.Command()]


def test_a_command_that_nobody_knows_is_read_as_one_without_a_method() -> None:
    # Field 99, which no schema has, beside the id.
    assert codec.decode(b"\x06\x08\x05\x9a\x06\x01x") == [m.Command(id=5)]


def test_an_absent_payload_is_the_one_empty_payload() -> None:
    [command] = codec.decode(written_by_them(m.Command(id=1, publish=m.PublishRequest("a"))))

    assert command.publish is not None
    assert command.publish.data is m.EMPTY


def test_topic_ids_are_not_given_over_protobuf() -> None:
    asked = m.Command(id=1, subscribe=m.SubscribeRequest("a", flag=m.WANTS_TOPIC_ID | m.REJECTS_UNRECOVERED))

    [command] = codec.decode(written_by_them(asked))

    assert command.subscribe is not None
    assert command.subscribe.flag == m.REJECTS_UNRECOVERED


# ── What is malformed ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("{}", id="text"),
        pytest.param(b"\x05\x08\x01", id="shorter than it says"),
        pytest.param(b"\xff\xff\xff\xff\x0f", id="four gigabytes that never come"),
        pytest.param(b"\xff" * 11, id="a length without an end"),
        pytest.param(b"\x80", id="half a length"),
        pytest.param(b"\x02\xff\xff", id="no field"),
        pytest.param(b"\x02\x0c\x00", id="an end without a beginning"),
        pytest.param(b"\x06\x22\x04\x0a\x02\xff\xfe", id="text that is no UTF-8"),
        pytest.param(b'{"id":1}', id="JSON"),
    ],
)
def test_what_is_malformed_closes_the_connection(message: bytes | str) -> None:
    with pytest.raises(Disconnect) as caught:
        codec.decode(message)

    assert caught.value.code is CloseCode.BAD_REQUEST


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        commands_read = codec.decode(message)
    except Disconnect:
        return
    assert all(isinstance(command, m.Command) for command in commands_read)


# ── Messages together ─────────────────────────────────────────────────────────────────────────


def test_messages_are_joined_back_to_back_and_framed_each_for_itself() -> None:
    assert codec.join([b"\x00", b"\x02\x08\x01"]) == b"\x00\x02\x08\x01"
    assert codec.batch([b"\x00", b"\x00"]).frames == b"\x82\x01\x00\x82\x01\x00"


def test_a_payload_may_be_any_bytes() -> None:
    data = bytes(range(256))

    theirs = read_by_them(codec.encode_push(m.Push(channel="a", pub=m.Publication(data=Raw(data)))))

    assert theirs.push.pub.data == data
