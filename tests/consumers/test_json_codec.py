"""The native protocol in JSON: what is read, what is written, and what no payload can do to it."""

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from consumers.json_codec import JsonCodec
from realtime.errors import CloseCode, Disconnect
from realtime.messages import (
    EMPTY,
    ClientInfo,
    Command,
    ConnectRequest,
    ConnectResult,
    Error,
    HistoryRequest,
    Joined,
    Position,
    PresenceResult,
    Publication,
    PublishRequest,
    PublishResult,
    Push,
    Reply,
    RpcResult,
    SendRequest,
    ServerMessage,
    SubscribeRequest,
    SubscribeResult,
    UnsubscribeResult,
)
from tests.consumers.messages import PAYLOADS, payloads_of, replies

codec = JsonCodec()


def read(message: bytes) -> Any:
    """As a client reads: one object per line."""
    assert b"\n" not in message
    return json.loads(message)


def forgeries() -> st.SearchStrategy[bytes]:
    """Payloads that would mean something to whoever copied them without a look."""
    return st.sampled_from(
        [
            b'1},"id":7,"error":{"code":100}',
            b'{}},"push":{"channel":"other"}',
            b'{"a":1}\n{"id":7}',
            b'"a"}\n{"id":7}\n{"x":"',
            b'{"a":1',
            b"]",
            b"",
            b" ",
            b"\n",
            b"null,",
            b"1 2",
            b"\xff",
            b'"\xff"',
            b'"\x00"',
            b"NaN",
            b"[" * 5000 + b"]" * 5000,
            b"/* a */ 1",
            b'"\\ud800"',
        ]
    )


# ── Reading ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"id":1,"connect":{"token":"t"}}', Command(id=1, connect=ConnectRequest(token="t"))),
        (
            '{"id":2,"subscribe":{"channel":"a","recover":true,"offset":5,"epoch":"e","flag":3}}',
            Command(id=2, subscribe=SubscribeRequest("a", recover=True, offset=5, epoch="e", flag=3)),
        ),
        (
            '{"id":3,"publish":{"channel":"a","data":{"b": [1,2]}}}',
            Command(id=3, publish=PublishRequest("a", Raw(b'{"b": [1,2]}'))),
        ),
        (
            '{"id":4,"history":{"channel":"a","limit":-1,"since":{"offset":1,"epoch":"e"}}}',
            Command(id=4, history=HistoryRequest("a", limit=-1, since=Position(1, "e"))),
        ),
        ('{"send":{"data":null}}', Command(send=SendRequest(Raw(b"null")))),
        ("{}", Command()),
        ('{"id":5,"unknown":{"a":1}}', Command(id=5)),
        (' { "id" : 6 , "connect" : { "new_field" : [ ] } } ', Command(id=6, connect=ConnectRequest())),
    ],
)
def test_a_command_is_read_and_what_is_unknown_passed_over(text: str, command: Command) -> None:
    assert codec.decode(text) == [command]
    assert codec.decode(text.encode()) == [command]


def test_several_commands_may_come_in_one_message() -> None:
    commands = codec.decode('{"id":1}\n{"id":2}\n\n{"id":3}\n')

    assert [command.id for command in commands] == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "\n", "  "])
def test_an_empty_message_has_no_commands(text: str) -> None:
    assert codec.decode(text) == []


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "null",
        "1",
        '"id"',
        "no JSON",
        '{"id":"1"}',
        '{"id":1.5}',
        '{"id":1,"connect":[]}',
        '{"id":1,"connect":{"token":5}}',
        '{"id":1,"subscribe":{"channel":"a","offset":"1"}}',
        '{"id":1,"publish":{"channel":"a","data":}}',
        '{"id":1}\n{',
        '{"a":' * 100_000,
        '{"id":1,"publish":{"data":' + "[" * 100_000,
        b"\xff\xfe",
        b'{"id":1,"connect":{"token":"\xff"}}',
        b"\x00",
    ],
)
def test_what_is_malformed_closes_the_connection(message: str | bytes) -> None:
    with pytest.raises(Disconnect) as caught:
        codec.decode(message)

    assert caught.value.code is CloseCode.BAD_REQUEST


@given(st.text() | st.binary())
def test_any_message_is_read_or_refused(message: str | bytes) -> None:
    try:
        commands = codec.decode(message)
    except Disconnect:
        return
    assert all(isinstance(command, Command) for command in commands)


# ── Writing ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(), {}),
        (Reply(id=1, publish=PublishResult()), {"id": 1, "publish": {}}),
        (Reply(id=1, unsubscribe=UnsubscribeResult()), {"id": 1, "unsubscribe": {}}),
        (Reply(id=1, presence=PresenceResult({})), {"id": 1, "presence": {"presence": {}}}),
        (
            Reply(id=1, error=Error(100, "internal", temporary=True)),
            {"id": 1, "error": {"code": 100, "message": "internal", "temporary": True}},
        ),
        (
            Reply(id=1, subscribe=SubscribeResult(recoverable=True, epoch="e", offset=5)),
            {"id": 1, "subscribe": {"recoverable": True, "epoch": "e", "offset": 5}},
        ),
        (
            Reply(push=Push(channel="a", pub=Publication(data=Raw(b'{"b":1}'), offset=5, tags={"c": "d"}))),
            {"push": {"channel": "a", "pub": {"data": {"b": 1}, "offset": 5, "tags": {"c": "d"}}}},
        ),
        (
            Reply(push=Push(id=7, join=Joined(ClientInfo("u", "c", Raw(b"[1]"))))),
            {"push": {"id": 7, "join": {"info": {"user": "u", "client": "c", "conn_info": [1]}}}},
        ),
    ],
)
def test_replies_leave_out_what_is_zero(reply: Reply, expected: dict[str, Any]) -> None:
    assert read(codec.encode_reply(reply)) == expected


def test_a_payload_is_copied_as_it_is() -> None:
    data = b'{"a" : 1.0,  "\\u00fc":"\xc3\xbc"}'

    message = codec.encode_push(Push(channel="a", pub=Publication(data=Raw(data))))

    assert data in message


def test_a_payload_on_several_lines_is_put_on_one() -> None:
    message = codec.encode_push(Push(pub=Publication(data=Raw(b'{\n  "a": "x\\ny",\r\n  "b": [\n1]}'))))

    assert read(message)["push"]["pub"]["data"] == {"a": "x\ny", "b": [1]}


def test_a_payload_that_is_no_json_goes_out_as_text() -> None:
    message = codec.encode_push(Push(pub=Publication(data=Raw(b"\x00\xff"))))

    assert read(message)["push"]["pub"]["data"] == base64.b64encode(b"\x00\xff").decode()


@pytest.mark.parametrize("data", [Raw(b""), EMPTY])
def test_a_payload_without_bytes_is_left_out(data: Raw) -> None:
    assert read(codec.encode_reply(Reply(id=1, rpc=RpcResult(data)))) == {"id": 1, "rpc": {}}
    assert read(codec.encode_push(Push(message=ServerMessage(data)))) == {"push": {"message": {}}}


def test_messages_are_joined_by_newlines_and_framed_each_for_itself() -> None:
    assert codec.join([b"{}", b'{"id":1}']) == b'{}\n{"id":1}'
    assert codec.batch([b"{}", b"{}"]).frames == b"\x81\x02{}\x81\x02{}"


def shape(value: Any) -> Any:
    """The structure of a message without its payloads, which may be anything."""
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, dict):
        return {
            name: "payload" if name in {"data", "conn_info", "chan_info"} else shape(each)
            for name, each in value.items()
        }
    return value


def harmless(message: Any) -> Any:
    """The same message with 1 in place of each payload."""
    if isinstance(message, Raw):
        return Raw(b"1") if len(message) else message
    if isinstance(message, list):
        return [harmless(each) for each in message]
    if isinstance(message, dict):
        return {name: harmless(each) for name, each in message.items()}
    if hasattr(message, "__struct_fields__"):
        fields = {name: harmless(getattr(message, name)) for name in message.__struct_fields__}
        return structs.replace(message, **fields)
    return message


@given(replies(payloads_of(PAYLOADS | forgeries().filter(len))))
def test_no_payload_can_change_the_message_around_it(reply: Reply) -> None:
    plain = codec.encode_reply(copy.deepcopy(harmless(reply)))

    message = codec.encode_reply(reply)

    assert shape(read(message)) == shape(read(plain))


@given(PAYLOADS | forgeries().filter(len))
def test_a_payload_arrives_as_itself_or_as_base64(data: bytes) -> None:
    message = codec.encode_push(Push(channel="a", pub=Publication(data=Raw(data))))

    arrived = read(message)["push"]["pub"]["data"]
    if arrived != base64.b64encode(data).decode():
        assert arrived == json.loads(data)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(id=1, connect=ConnectResult(data=Raw(b'{\n"a":1}'))),
        Reply(id=1, connect=ConnectResult(subs={"a": SubscribeResult(data=Raw(b'{\n"a":1}'))})),
        Reply(id=1, subscribe=SubscribeResult(data=Raw(b'{\n"a":1}'))),
    ],
)
def test_a_tokens_data_on_several_lines_breaks_no_message(reply: Reply) -> None:
    assert b'{"a":1}' in codec.encode_reply(reply)
    assert b"\n" not in codec.encode_reply(reply)
