"""What the methods of the server API take and give, as Centrifugo's HTTP API writes it. No decisions.

A field that is not here is refused: an option that does nothing would be believed to do something.
"""

import base64
import binascii
from typing import Annotated, TypeAlias

from msgspec import Meta, Raw, Struct

from realtime.errors import CommandError, ErrorCode
from realtime.messages import EMPTY, ClientInfo, Int32, Offset, Position, Publication

Tags: TypeAlias = dict[str, str]
IdempotencyKey: TypeAlias = Annotated[str, Meta(max_length=255)]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one method. `topics` are those that it is about."""

    @property
    def topics(self) -> tuple[str, ...]:
        return ()


class _OfTopic(Request, frozen=True, kw_only=True):
    channel: str

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.channel,)


class _OfUser(Request, frozen=True, kw_only=True):
    """`session` is not offered: `client` names one connection."""

    user: str = ""
    client: str = ""
    session: str = ""


class _OfUserInTopic(_OfUser, frozen=True, kw_only=True):
    channel: str

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.channel,)


# ── Requests ──────────────────────────────────────────────────────────────────────────────────


class _Publishing(Request, frozen=True, kw_only=True):
    """`b64data` goes before `data`, as in Centrifugo. `delta` only allows what is not offered yet:
    subscribers get full publications either way.
    """

    data: Raw = EMPTY
    b64data: str = ""
    skip_history: bool = False
    tags: Tags | None = None
    idempotency_key: IdempotencyKey = ""
    delta: bool = False


class PublishRequest(_Publishing, frozen=True, kw_only=True):
    channel: str

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.channel,)


class BroadcastRequest(_Publishing, frozen=True, kw_only=True):
    channels: list[str]

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self.channels)


class Flag(Struct, frozen=True, forbid_unknown_fields=True):
    value: bool = False


class SubscribeRequest(_OfUserInTopic, frozen=True, kw_only=True):
    info: Raw = EMPTY
    b64info: str = ""
    data: Raw = EMPTY
    b64data: str = ""
    recover_since: Position | None = None
    override: dict[str, Flag | None] | None = None


class UnsubscribeRequest(_OfUserInTopic, frozen=True, kw_only=True):
    pass


class Disconnection(Struct, frozen=True, forbid_unknown_fields=True):
    code: Int32 = 0
    reason: str = ""


class DisconnectRequest(_OfUser, frozen=True, kw_only=True):
    whitelist: list[str] = []
    disconnect: Disconnection | None = None


class RefreshRequest(_OfUser, frozen=True, kw_only=True):
    """`expire_at` 0: the connections do not expire any more."""

    expired: bool = False
    expire_at: Offset = 0


class PresenceRequest(_OfTopic, frozen=True, kw_only=True):
    pass


class PresenceStatsRequest(_OfTopic, frozen=True, kw_only=True):
    pass


class HistoryRequest(_OfTopic, frozen=True, kw_only=True):
    """`limit` 0 asks for the position alone, -1 for everything the log holds."""

    limit: Int32 = 0
    since: Position | None = None
    reverse: bool = False


class HistoryRemoveRequest(_OfTopic, frozen=True, kw_only=True):
    pass


class ChannelsRequest(Request, frozen=True, kw_only=True):
    pattern: str = ""


class InfoRequest(Request, frozen=True, kw_only=True):
    pass


# ── Results ───────────────────────────────────────────────────────────────────────────────────


class Result(Struct, frozen=True, omit_defaults=True):
    """Of a method that has nothing to tell."""


class PublishResult(Result, frozen=True, omit_defaults=True):
    offset: int = 0
    epoch: str = ""


class Failure(Struct, frozen=True):
    code: int
    message: str


class Response(Struct, frozen=True, omit_defaults=True):
    """Either of the two."""

    result: Result | None = None
    error: Failure | None = None


class BroadcastResult(Result, frozen=True):
    responses: list[Response]


class PresenceResult(Result, frozen=True):
    presence: dict[str, ClientInfo]


class PresenceStatsResult(Result, frozen=True):
    num_clients: int
    num_users: int


class HistoryResult(Result, frozen=True):
    publications: list[Publication]
    offset: int
    epoch: str


class TopicInfo(Struct, frozen=True):
    num_clients: int


class ChannelsResult(Result, frozen=True):
    channels: dict[str, TopicInfo]


class NodeResult(Struct, frozen=True, kw_only=True):
    """`uptime` in seconds; counts as they were when the process last announced itself."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_subs: int
    num_channels: int
    uptime: int


class InfoResult(Result, frozen=True):
    nodes: list[NodeResult]


# ── Batches ───────────────────────────────────────────────────────────────────────────────────


class BatchCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request, under its method's name."""

    publish: PublishRequest | None = None
    broadcast: BroadcastRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    disconnect: DisconnectRequest | None = None
    refresh: RefreshRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    history_remove: HistoryRemoveRequest | None = None
    channels: ChannelsRequest | None = None
    info: InfoRequest | None = None

    @property
    def requests(self) -> list[tuple[str, Request]]:
        """Method and request; exactly one, if the client is right."""
        each = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, request) for name, request in each if request is not None]


class BatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    commands: list[BatchCommand]
    parallel: bool = False


def payload(data: Raw, b64data: str) -> bytes:
    """What a request carries, in one of its two forms; empty where in neither. Raises CommandError 107."""
    if not b64data:
        return bytes(data)
    try:
        return base64.b64decode(b64data, validate=True)
    except (binascii.Error, ValueError):
        raise CommandError(ErrorCode.BAD_REQUEST, "data in base64 that is none") from None
