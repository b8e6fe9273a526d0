"""The native protocol in Protobuf: varint-delimited messages in binary frames. Pure.

The schema is the table below, in the field numbers of the public client.proto; its message classes
are made from it and from the types in realtime/messages.py when the process starts. So there is no
generated code to keep in step with anything.
"""

import io
from collections.abc import Sequence
from enum import Enum, auto
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, proto
from google.protobuf.message import DecodeError, Message
from msgspec import Raw, Struct
from msgspec.structs import replace

from consumers.frames import BINARY, frame
from realtime import messages as m
from realtime.codec import Batch
from realtime.errors import CloseCode, Disconnect

PACKAGE = "switchboard"

StructT = TypeVar("StructT", bound=Struct)

# Message → field → number. What the public schema has and we never send is left out: a reader of
# Protobuf passes over fields that it does not know.
NUMBERS: dict[type[Struct], dict[str, int]] = {
    m.Position: {"offset": 1, "epoch": 2},
    m.ClientInfo: {"user": 1, "client": 2, "conn_info": 3, "chan_info": 4},
    m.Publication: {"data": 4, "info": 5, "offset": 6, "tags": 7, "time": 9},
    m.Joined: {"info": 1},
    m.Left: {"info": 1},
    m.SubscribeRequest: {
        "channel": 1, "token": 2, "recover": 3, "epoch": 6, "offset": 7, "data": 8, "positioned": 9,
        "recoverable": 10, "join_leave": 11, "delta": 12, "tf": 13, "flag": 14,
    },
    m.ConnectRequest: {
        "token": 1, "data": 2, "subs": 3, "name": 4, "version": 5, "headers": 6, "flag": 7,
    },
    m.UnsubscribeRequest: {"channel": 1},
    m.PublishRequest: {"channel": 1, "data": 2},
    m.PresenceRequest: {"channel": 1},
    m.PresenceStatsRequest: {"channel": 1},
    m.HistoryRequest: {"channel": 1, "limit": 7, "since": 8, "reverse": 9},
    m.RpcRequest: {"data": 1, "method": 2},
    m.SendRequest: {"data": 1},
    m.RefreshRequest: {"token": 1},
    m.SubRefreshRequest: {"channel": 1, "token": 2},
    m.PingRequest: {},
    m.Command: {
        "id": 1, "connect": 4, "subscribe": 5, "unsubscribe": 6, "publish": 7, "presence": 8,
        "presence_stats": 9, "history": 10, "ping": 11, "send": 12, "rpc": 13, "refresh": 14,
        "sub_refresh": 15,
    },
    m.Error: {"code": 1, "message": 2, "temporary": 3},
    m.SubscribeResult: {
        "expires": 1, "ttl": 2, "recoverable": 3, "epoch": 6, "publications": 7, "recovered": 8,
        "offset": 9, "positioned": 10, "data": 11, "was_recovering": 12, "delta": 13, "id": 14,
    },
    m.ConnectResult: {
        "client": 1, "version": 2, "expires": 3, "ttl": 4, "data": 5, "subs": 6, "ping": 7, "pong": 8,
        "session": 9, "node": 10, "time": 11,
    },
    m.UnsubscribeResult: {},
    m.PublishResult: {},
    m.PresenceResult: {"presence": 1},
    m.PresenceStatsResult: {"num_clients": 1, "num_users": 2},
    m.HistoryResult: {"publications": 1, "epoch": 2, "offset": 3},
    m.PingResult: {},
    m.RpcResult: {"data": 1},
    m.RefreshResult: {"client": 1, "version": 2, "expires": 3, "ttl": 4},
    m.SubRefreshResult: {"expires": 1, "ttl": 2},
    m.Unsubscribed: {"code": 2, "reason": 3},
    m.Subscribed: {"recoverable": 1, "epoch": 4, "offset": 5, "positioned": 6, "data": 7},
    m.Connected: {
        "client": 1, "version": 2, "data": 3, "subs": 4, "expires": 5, "ttl": 6, "ping": 7, "pong": 8,
        "session": 9, "node": 10, "time": 11,
    },
    m.ServerMessage: {"data": 1},
    m.Disconnected: {"code": 1, "reason": 2, "reconnect": 3},
    m.Refreshed: {"expires": 1, "ttl": 2},
    m.Push: {
        "id": 1, "channel": 2, "pub": 4, "join": 5, "leave": 6, "unsubscribe": 7, "message": 8,
        "subscribe": 9, "connect": 10, "disconnect": 11, "refresh": 12,
    },
    m.Reply: {
        "id": 1, "error": 2, "push": 4, "connect": 5, "subscribe": 6, "unsubscribe": 7, "publish": 8,
        "presence": 9, "presence_stats": 10, "history": 11, "ping": 12, "rpc": 13, "refresh": 14,
        "sub_refresh": 15,
    },
}  # fmt: skip


class ProtobufCodec:
    """Implements WireCodec (consumers/codec.py)."""

    is_text = False

    def __init__(self) -> None:
        self._classes = _make_classes()
        self._command_class = self._classes[m.Command]
        self._reply_class = self._classes[m.Reply]

    def decode(self, message: bytes | str) -> list[m.Command]:
        if isinstance(message, str):
            raise Disconnect(CloseCode.BAD_REQUEST, "a text message where Protobuf was agreed on")
        source, commands = io.BytesIO(message), []
        try:
            while source.tell() < len(message):
                parsed = proto.parse_length_prefixed(self._command_class, source)
                commands.append(_without_topic_ids(_to_struct(parsed, m.Command)))
        except (DecodeError, ValueError) as error:
            raise Disconnect(CloseCode.BAD_REQUEST, f"malformed Protobuf: {error}") from error
        return commands

    def encode_reply(self, reply: m.Reply) -> bytes:
        encoded = self._reply_class()
        _fill(encoded, reply)
        target = io.BytesIO()
        proto.serialize_length_prefixed(encoded, target)
        return target.getvalue()

    def encode_push(self, push: m.Push) -> bytes:
        return self.encode_reply(m.Reply(push=push))

    def join(self, messages: Sequence[bytes]) -> bytes:
        # Each message says its own length.
        return b"".join(messages)

    def batch(self, messages: Sequence[bytes]) -> Batch:
        return Batch(messages, b"".join([frame(message, BINARY) for message in messages]))


def _without_topic_ids(command: m.Command) -> m.Command:
    """Topics keep their names here, whatever the client asks for, as a server may choose.

    The published JavaScript SDK (5.8) always asks for ids, and where its Protobuf build reads them
    as Long objects it compares those by identity: it would drop every live push without a word.
    """
    request = command.subscribe
    if request is None or not request.flag & m.WANTS_TOPIC_ID:
        return command
    return replace(command, subscribe=replace(request, flag=request.flag & ~m.WANTS_TOPIC_ID))


# ── The schema ────────────────────────────────────────────────────────────────────────────────


class _Field(NamedTuple):
    """How one field of a Struct is copied. `item`: the Struct type of it, of its items or values."""

    name: str
    shape: "_Shape"
    item: type[Struct] | None


class _Shape(Enum):
    PLAIN = auto()
    BYTES = auto()
    STRUCT = auto()
    LIST = auto()
    TEXT_MAP = auto()
    STRUCT_MAP = auto()


_PLAIN_TYPES = {
    int: descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    bool: descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    str: descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}


def _field(struct: type[Struct], name: str) -> _Field:
    annotation = get_type_hints(struct)[name]
    # Optional fields: `X | None` stands for X.
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if get_origin(annotation) in {Union, UnionType}:
        annotation = kinds[0]
        kinds = list(get_args(annotation))
    origin = get_origin(annotation)
    if origin is dict:
        return (
            _Field(name, _Shape.TEXT_MAP, None)
            if kinds[1] is str
            else _Field(name, _Shape.STRUCT_MAP, kinds[1])
        )
    if origin is list:
        return _Field(name, _Shape.LIST, kinds[0])
    if annotation is Raw:
        return _Field(name, _Shape.BYTES, None)
    if issubclass(annotation, Struct):
        return _Field(name, _Shape.STRUCT, annotation)
    return _Field(name, _Shape.PLAIN, None)


# What _fill and _to_struct go by.
_FIELDS = {struct: [_field(struct, name) for name in numbers] for struct, numbers in NUMBERS.items()}


def _make_classes() -> dict[type[Struct], type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE, syntax="proto3")
    for struct, numbers in NUMBERS.items():
        message = file.message_type.add(name=struct.__name__)
        for field in _FIELDS[struct]:
            _describe(message, field, numbers[field.name], get_type_hints(struct)[field.name])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        struct: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{struct.__name__}"))
        for struct in NUMBERS
    }


def _describe(
    message: descriptor_pb2.DescriptorProto, field: _Field, number: int, annotation: object
) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    described = message.field.add(name=field.name, number=number, label=kinds.LABEL_OPTIONAL)
    match field.shape:
        case _Shape.PLAIN:
            described.type = _PLAIN_TYPES[cast(type, annotation)]
        case _Shape.BYTES:
            described.type = kinds.TYPE_BYTES
        case _Shape.STRUCT | _Shape.LIST:
            described.type, described.type_name = kinds.TYPE_MESSAGE, _full_name(field.item)
        case _Shape.TEXT_MAP | _Shape.STRUCT_MAP:
            # A map is a list of entries, which are messages of their own (protobuf.dev, "Maps").
            entry = message.nested_type.add(name=field.name.title().replace("_", "") + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_STRING)
            value = entry.field.add(name="value", number=2, label=kinds.LABEL_OPTIONAL)
            if field.item is None:
                value.type = kinds.TYPE_STRING
            else:
                value.type, value.type_name = kinds.TYPE_MESSAGE, _full_name(field.item)
            described.type = kinds.TYPE_MESSAGE
            described.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
    if field.shape in {_Shape.LIST, _Shape.TEXT_MAP, _Shape.STRUCT_MAP}:
        described.label = kinds.LABEL_REPEATED


def _full_name(struct: type[Struct] | None) -> str:
    return f".{PACKAGE}.{struct.__name__}" if struct else ""


# ── Copying ───────────────────────────────────────────────────────────────────────────────────


def _fill(message: Any, struct: Struct) -> None:
    for name, shape, _ in _FIELDS[type(struct)]:
        value = getattr(struct, name)
        match shape:
            case _Shape.PLAIN:
                if value:
                    setattr(message, name, value)
            case _Shape.BYTES:
                if len(value):
                    setattr(message, name, bytes(value))
            case _Shape.STRUCT:
                if value is not None:
                    inner = getattr(message, name)
                    # An empty message must still be seen to be there: it says which reply this is.
                    inner.SetInParent()
                    _fill(inner, value)
            case _Shape.LIST:
                for item in value:
                    _fill(getattr(message, name).add(), item)
            case _Shape.TEXT_MAP:
                getattr(message, name).update(value or {})
            case _Shape.STRUCT_MAP:
                for key, item in value.items():
                    _fill(getattr(message, name)[key], item)


def _to_struct(message: Any, kind: type[StructT]) -> StructT:
    values: dict[str, Any] = {}
    for name, shape, item in _FIELDS[kind]:
        match shape:
            case _Shape.PLAIN:
                values[name] = getattr(message, name)
            case _Shape.BYTES:
                # An absent payload stays the one empty payload (see messages.EMPTY).
                if data := getattr(message, name):
                    values[name] = Raw(data)
            case _Shape.STRUCT:
                if item is not None and message.HasField(name):
                    values[name] = _to_struct(getattr(message, name), item)
            case _Shape.LIST:
                values[name] = [_to_struct(each, item) for each in getattr(message, name) if item]
            case _Shape.TEXT_MAP:
                values[name] = dict(getattr(message, name))
            case _Shape.STRUCT_MAP:
                pairs = getattr(message, name).items()
                values[name] = {key: _to_struct(value, item) for key, value in pairs if item}
    return kind(**values)
