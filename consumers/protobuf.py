"""The native protocol in Protobuf: varint-delimited messages in binary frames. Pure.

The schema is the table below, in the field numbers of the public client.proto; its message classes
are made from it and from the types in realtime/messages.py when the process starts. So there is no
generated code to keep in step with anything.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, get_type_hints

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, proto
from google.protobuf.message import DecodeError, Message
from msgspec import Raw, Struct

from consumers.frames import BINARY, frame
from realtime import messages as m
from realtime.codec import Batch
from realtime.errors import CloseCode, Disconnect

PACKAGE = "switchboard"

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
