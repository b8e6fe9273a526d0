"""What client and server say to each other: commands, replies, pushes. No encoding, no sockets.

The shapes are those of the Centrifuge client protocol, so a codec needs no second set of types;
zero values are left out on the wire. Payloads (`data`, `info`) are opaque bytes in a
`msgspec.Raw`: the engine never looks into them, and a JSON codec copies them as they are.
"""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Raw, Struct

# As wide as in the protocol's schema (an offset one bit less): what a client sends may be sent back
# in any encoding. Codecs refuse what does not fit.
Uint32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Int32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]

# The one empty payload. A codec leaves a field out where it still *is* its default.
EMPTY: Final = Raw(b"")

# Bits of SubscribeRequest.flag.
WANTS_TOPIC_ID: Final = 1
REJECTS_UNRECOVERED: Final = 2


class Position(Struct, frozen=True, omit_defaults=True):
    """A place in a topic's log. Offsets of one epoch count up from 1 without gaps."""

    offset: Offset = 0
    epoch: str = ""


class ClientInfo(Struct, frozen=True, omit_defaults=True):
    """Who published, joined or left."""

    user: str = ""
    client: str = ""
    conn_info: Raw = EMPTY
    chan_info: Raw = EMPTY


class Publication(Struct, frozen=True, omit_defaults=True):
    """One message in a topic. `offset` is 0 where the topic keeps no log; `time` is Unix milliseconds."""

    data: Raw = EMPTY
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] | None = None
    time: int = 0


class Joined(Struct, frozen=True):
    info: ClientInfo


class Left(Struct, frozen=True):
    info: ClientInfo


# ── Commands ──────────────────────────────────────────────────────────────────────────────────


class SubscribeRequest(Struct, omit_defaults=True):
    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    data: Raw = EMPTY
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: Raw = EMPTY
    flag: Uint32 = 0


class ConnectRequest(Struct, omit_defaults=True):
    token: str = ""
    data: Raw = EMPTY
    subs: dict[str, SubscribeRequest] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}
    flag: Uint32 = 0


class UnsubscribeRequest(Struct, omit_defaults=True):
    channel: str = ""


class PublishRequest(Struct, omit_defaults=True):
    channel: str = ""
    data: Raw = EMPTY


class PresenceRequest(Struct, omit_defaults=True):
    channel: str = ""


class PresenceStatsRequest(Struct, omit_defaults=True):
    channel: str = ""


class HistoryRequest(Struct, omit_defaults=True):
    """`limit` 0 asks for the position alone, -1 for everything the log holds."""

    channel: str = ""
    limit: Int32 = 0
    since: Position | None = None
    reverse: bool = False


class RpcRequest(Struct, omit_defaults=True):
    data: Raw = EMPTY
    method: str = ""


class SendRequest(Struct, omit_defaults=True):
    data: Raw = EMPTY


class RefreshRequest(Struct, omit_defaults=True):
    token: str = ""


class SubRefreshRequest(Struct, omit_defaults=True):
    channel: str = ""
    token: str = ""


class PingRequest(Struct, omit_defaults=True):
    """Old clients' ping: answered, though the server pings by itself."""


class Command(Struct, omit_defaults=True):
    """One request of a client. Exactly one of the fields after `id` is set; none of them is a pong."""

    id: Uint32 = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    ping: PingRequest | None = None
    send: SendRequest | None = None
    rpc: RpcRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


# ── Replies ───────────────────────────────────────────────────────────────────────────────────


class Error(Struct, omit_defaults=True):
    code: int = 0
    message: str = ""
    temporary: bool = False


class SubscribeResult(Struct, omit_defaults=True):
    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] = []
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: Raw = EMPTY
    was_recovering: bool = False
    delta: bool = False
    id: int = 0


class ConnectResult(Struct, omit_defaults=True):
    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0
    data: Raw = EMPTY
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class UnsubscribeResult(Struct):
    pass


class PublishResult(Struct):
    pass


class PresenceResult(Struct):
    presence: dict[str, ClientInfo]


class PresenceStatsResult(Struct, omit_defaults=True):
    num_clients: int = 0
    num_users: int = 0


class HistoryResult(Struct, omit_defaults=True):
    publications: list[Publication] = []
    epoch: str = ""
    offset: int = 0


class PingResult(Struct):
    pass


class RpcResult(Struct, omit_defaults=True):
    data: Raw = EMPTY


class RefreshResult(Struct, omit_defaults=True):
    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0


class SubRefreshResult(Struct, omit_defaults=True):
    expires: bool = False
    ttl: int = 0


# ── Pushes ────────────────────────────────────────────────────────────────────────────────────


class Unsubscribed(Struct, omit_defaults=True):
    code: int = 0
    reason: str = ""


class Subscribed(Struct, omit_defaults=True):
    """The server subscribed this client to a topic."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: Raw = EMPTY


class Connected(Struct, omit_defaults=True):
    """A ConnectResult for clients that cannot ask for one: unidirectional transports."""

    client: str = ""
    version: str = ""
    data: Raw = EMPTY
    subs: dict[str, SubscribeResult] = {}
    expires: bool = False
    ttl: int = 0
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class ServerMessage(Struct, omit_defaults=True):
    """Data for one client, outside of any topic."""

    data: Raw = EMPTY


class Disconnected(Struct, omit_defaults=True):
    """For transports whose close carries no code; a WebSocket's close frame says it instead."""

    code: int = 0
    reason: str = ""
    reconnect: bool = False


class Refreshed(Struct, omit_defaults=True):
    expires: bool = False
    ttl: int = 0


class Push(Struct, omit_defaults=True):
    """Something the client did not ask for. `id` stands for `channel` where the client wants ids."""

    id: int = 0
    channel: str = ""
    pub: Publication | None = None
    join: Joined | None = None
    leave: Left | None = None
    unsubscribe: Unsubscribed | None = None
    message: ServerMessage | None = None
    subscribe: Subscribed | None = None
    connect: Connected | None = None
    disconnect: Disconnected | None = None
    refresh: Refreshed | None = None


class Reply(Struct, omit_defaults=True):
    """The answer to the command with the same id; without an id a push; with nothing at all a ping."""

    id: int = 0
    error: Error | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: UnsubscribeResult | None = None
    publish: PublishResult | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    ping: PingResult | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: SubRefreshResult | None = None
