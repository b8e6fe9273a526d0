"""/api/v1: the server API as typed resources, with an OpenAPI description. The decisions are in calls.py."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, Self

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt
from ninja import Body, NinjaAPI, Path, Query, Schema
from ninja.security import APIKeyHeader
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from api import errors
from api.errors import ApiError, ErrorBody, error_response, method_not_allowed
from api.guard import JsonParser, JsonRenderer
from api.server import calls
from api.server.access import admit, answer_to, read_body
from api.server.calls import Method, Sender, perform
from api.server.requests import (
    BroadcastRequest,
    BroadcastResult,
    ChannelsRequest,
    ChannelsResult,
    Disconnection,
    DisconnectRequest,
    Flag,
    HistoryRemoveRequest,
    HistoryRequest,
    InfoRequest,
    InfoResult,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    Request,
    Result,
    SubscribeRequest,
    UnsubscribeRequest,
)
from realtime.errors import CommandError, ErrorCode
from realtime.messages import EMPTY, Position

MAX_OFFSET = 2**63 - 1
MAX_INT32 = 2**31 - 1

_STATUS: dict[ErrorCode, HTTPStatus] = {
    ErrorCode.INTERNAL: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.UNKNOWN_TOPIC: HTTPStatus.NOT_FOUND,
    ErrorCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    ErrorCode.LIMIT_EXCEEDED: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_AVAILABLE: HTTPStatus.CONFLICT,
    ErrorCode.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.UNRECOVERABLE_POSITION: HTTPStatus.CONFLICT,
}


class ServerKey(APIKeyHeader):
    """X-API-Key, or another of the ways that access.py knows."""

    param_name = "X-API-Key"

    async def __call__(self, request: HttpRequest) -> Sender:
        return await admit(request)

    async def authenticate(self, request: HttpRequest, key: str | None) -> Sender:
        return await admit(request)


rest = NinjaAPI(
    title="Switchboard: server API",
    version="1",
    description=(
        "What other servers ask of this one. An API key in `X-API-Key` says who they are and what they "
        "may do. Data is any JSON, or bytes in base64."
    ),
    auth=ServerKey(),
    parser=JsonParser(),
    renderer=JsonRenderer(),
    urls_namespace="api:server",
)
errors.install(rest)


@rest.exception_handler(ApiError)
def _answer_api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
    return answer_to(error)


@rest.exception_handler(CommandError)
def _answer_command_error(request: HttpRequest, error: CommandError) -> HttpResponse:
    status = _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    message = f"{calls.describe(error).message.rstrip('.')}. /api/v1/docs describes the request."
    response = error_response(status, error.code.text.replace(" ", "_").replace("channel", "topic"), message)
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        response.headers["Retry-After"] = f"{errors.RETRY_AFTER_SECONDS}"
    return response


# ── What is sent ──────────────────────────────────────────────────────────────────────────────

Topic = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[!-~]+$", examples=["chat:lobby"])]
User = Annotated[str, Path(min_length=1, max_length=255, examples=["42"])]
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Base64 = Annotated[str, Field(min_length=1, pattern=_BASE64)]


def _read_whole(value: Any) -> Any:
    # JSON knows one kind of number, and 3000.0 is a whole one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WHOLE = BeforeValidator(_read_whole)


class _Input(Schema):
    """A body: of these fields and types alone."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _NewPublication(_Input):
    """Either `data` or `b64data`. A repeated `idempotency_key` publishes nothing within five minutes."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["data"]}, {"required": ["b64data"]}]}
    )

    data: Any = None
    b64data: Base64 = ""
    tags: dict[str, str] | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] = ""
    skip_history: bool = False

    @model_validator(mode="after")
    def _has_one_payload(self) -> Self:
        if ("data" in self.model_fields_set) == ("b64data" in self.model_fields_set):
            raise ValueError("data and b64data exclude each other; give one of them")
        return self


class NewPublication(_NewPublication):
    """What a topic is to get."""


class NewBroadcast(_NewPublication):
    """What several topics are to get."""

    topics: Annotated[list[str], Field(min_length=1)]


class PositionIn(_Input):
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), _WHOLE] = 0
    epoch: str = ""


class Overrides(_Input):
    """Options of the namespace that are to be otherwise for these subscriptions."""

    presence: bool | None = None
    join_leave: bool | None = None
    force_push_join_leave: bool | None = None
    force_positioning: bool | None = None
    force_recovery: bool | None = None


class NewSubscription(_Input):
    """`info` is shown to other members, `data` goes to the client. `client`: that connection alone."""

    topic: Annotated[str, Field(min_length=1, max_length=255)]
    client: str = ""
    info: Any = None
    data: Any = None
    recover_since: PositionIn | None = None
    override: Overrides | None = None


class NewDisconnection(_Input):
    """`code` 3000 to 4999; `keep_clients` stay. `client`: that connection alone."""

    client: str = ""
    keep_clients: Annotated[list[str], Field(default_factory=list)]
    code: Annotated[int, Field(ge=3000, le=4999), _WHOLE] = 3503
    reason: Annotated[str, Field(max_length=123)] = ""


class NewRefresh(_Input):
    """`expires_at`: Unix seconds; 0 for never. `is_expired`: the connections end now."""

    client: str = ""
    expires_at: Annotated[int, Field(ge=0, le=MAX_OFFSET), _WHOLE] = 0
    is_expired: bool = False


class _Parameters(Schema):
    """Of an address: these, the key, and no others."""

    @model_validator(mode="after")
    def _has_no_others(self, info: ValidationInfo) -> Self:
        request: HttpRequest = (info.context or {})["request"]
        others = sorted(set(request.GET) - set(type(self).model_fields) - {"api_key"})
        if others:
            raise ValueError(f"unknown parameter {others[0]!r}")
        return self


class Which(_Parameters):
    """`*` any text, `?` one character, `[a-z]` one of a set, `{a,b}` one of several; empty for all."""

    pattern: Annotated[str, Field(max_length=255)] = ""


class Whose(_Parameters):
    """`client`: that connection alone."""

    client: str = ""


class Window(_Parameters):
    """Which part of the history. `limit` 0 asks for the position alone, -1 for all that is held."""

    limit: Annotated[int, Field(ge=-1, le=MAX_INT32)] = 0
    since_offset: Annotated[int | None, Field(ge=0, le=MAX_OFFSET)] = None
    since_epoch: str = ""
    reverse: bool = False


# ── What is answered ──────────────────────────────────────────────────────────────────────────


class PositionOut(Schema):
    """Where a publication stands; empty in a topic without history."""

    offset: int = 0
    epoch: str = ""


class TopicAnswer(Schema):
    """Of one topic of a broadcast: its position, or why it got nothing."""

    topic: str
    position: PositionOut | None = None
    error: str | None = None


class BroadcastOut(Schema):
    responses: list[TopicAnswer]


class Member(Schema):
    user: str = ""
    client: str = ""
    conn_info: Any = None
    chan_info: Any = None


class PublicationOut(Schema):
    """`time` in Unix milliseconds."""

    data: Any = None
    offset: int = 0
    info: Member | None = None
    tags: dict[str, str] | None = None
    time: int = 0


class HistoryOut(Schema):
    publications: list[PublicationOut]
    offset: int
    epoch: str


class PresenceOut(Schema):
    """By client."""

    presence: dict[str, Member]


class PresenceStatsOut(Schema):
    num_clients: int
    num_users: int


class TopicOut(Schema):
    topic: str
    num_clients: int


class TopicsOut(Schema):
    topics: list[TopicOut]


class NodeOut(Schema):
    """A process of the server. `uptime` in seconds."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_subs: int
    num_channels: int
    uptime: int


class NodesOut(Schema):
    nodes: list[NodeOut]


def _responses(success: int, schema: Any, *others: int) -> dict[int, Any]:
    return {success: schema, **dict.fromkeys((400, 401, 403, 404, 413, 429, 503, *others), ErrorBody)}


class _Raw(msgspec.Struct):
    """Payloads as they stand in the body: to the letter, whatever numbers are in them."""

    data: msgspec.Raw = EMPTY
    info: msgspec.Raw = EMPTY


_raw_decoder = msgspec.json.Decoder(_Raw)


# ── Topics ────────────────────────────────────────────────────────────────────────────────────


@rest.get("/topics", response=_responses(200, TopicsOut), tags=["topics"])
async def list_topics(request: HttpRequest, which: Query[Which]) -> Any:
    """Topics with subscribers, on all processes."""
    result = await _perform(request, calls.CHANNELS, ChannelsRequest(pattern=which.pattern))
    assert isinstance(result, ChannelsResult)  # noqa: S101  # For the type checker.
    topics = [{"topic": topic, **msgspec.structs.asdict(info)} for topic, info in result.channels.items()]
    return _json({"topics": topics})


@rest.post("/topics/{path:topic}/publications", response=_responses(201, PositionOut), tags=["publications"])
async def publish(request: HttpRequest, topic: Topic, new: Body[NewPublication]) -> Any:
    """Publishes, and answers with the position."""
    wanted = PublishRequest(
        channel=topic,
        data=_raw_decoder.decode(request.body).data,
        b64data=new.b64data,
        tags=new.tags,
        idempotency_key=new.idempotency_key,
        skip_history=new.skip_history,
    )
    return _json(await _perform(request, calls.PUBLISH, wanted), status=HTTPStatus.CREATED)


@rest.post("/publications", response=_responses(200, BroadcastOut), tags=["publications"])
async def broadcast(request: HttpRequest, new: Body[NewBroadcast]) -> Any:
    """Publishes the same in several topics; one that fails does not keep the others from it."""
    wanted = BroadcastRequest(
        channels=new.topics,
        data=_raw_decoder.decode(request.body).data,
        b64data=new.b64data,
        tags=new.tags,
        idempotency_key=new.idempotency_key,
        skip_history=new.skip_history,
    )
    result = await _perform(request, calls.BROADCAST, wanted)
    assert isinstance(result, BroadcastResult)  # noqa: S101  # For the type checker.
    responses = [
        {"topic": topic, "position": response.result}
        if response.error is None
        else {"topic": topic, "error": response.error.message}
        for topic, response in zip(new.topics, result.responses, strict=True)
    ]
    return _json({"responses": responses})


@rest.get("/topics/{path:topic}/history", response=_responses(200, HistoryOut, 409), tags=["history"])
async def read_history(request: HttpRequest, topic: Topic, window: Query[Window]) -> Any:
    """What the topic's log holds. 409: it is in another epoch than `since`, or there is none."""
    since = None
    if window.since_offset is not None or window.since_epoch:
        since = Position(offset=window.since_offset or 0, epoch=window.since_epoch)
    wanted = HistoryRequest(channel=topic, limit=window.limit, since=since, reverse=window.reverse)
    return _json(await _perform(request, calls.HISTORY, wanted))


@rest.delete("/topics/{path:topic}/history", response=_responses(204, None, 409), tags=["history"])
async def remove_history(request: HttpRequest, topic: Topic) -> Any:
    """Forgets the publications; offsets go on counting."""
    await _perform(request, calls.HISTORY_REMOVE, HistoryRemoveRequest(channel=topic))
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@rest.get("/topics/{path:topic}/presence", response=_responses(200, PresenceOut, 409), tags=["presence"])
async def read_presence(request: HttpRequest, topic: Topic) -> Any:
    """Who is in the topic."""
    return _json(await _perform(request, calls.PRESENCE, PresenceRequest(channel=topic)))


@rest.get(
    "/topics/{path:topic}/presence-stats",
    response=_responses(200, PresenceStatsOut, 409),
    tags=["presence"],
)
async def read_presence_stats(request: HttpRequest, topic: Topic) -> Any:
    """How many are in the topic."""
    return _json(await _perform(request, calls.PRESENCE_STATS, PresenceStatsRequest(channel=topic)))


# ── Users: orders that all processes carry out soon after the answer ──────────────────────────


@rest.post("/users/{path:user}/subscriptions", response=_responses(202, None), tags=["users"])
async def subscribe(request: HttpRequest, user: User, new: Body[NewSubscription]) -> Any:
    """Subscribes the user's connections; no rule is asked."""
    raw = _raw_decoder.decode(request.body)
    since = new.recover_since
    override = {} if new.override is None else new.override.model_dump(exclude_none=True)
    wanted = SubscribeRequest(
        user=user,
        client=new.client,
        channel=new.topic,
        info=raw.info,
        data=raw.data,
        recover_since=None if since is None else Position(offset=since.offset, epoch=since.epoch),
        override={option: Flag(value) for option, value in override.items()},
    )
    return await _order(request, calls.SUBSCRIBE, wanted)


@rest.delete("/users/{path:user}/subscriptions/{path:topic}", response=_responses(202, None), tags=["users"])
async def unsubscribe(request: HttpRequest, user: User, topic: Topic, whose: Query[Whose]) -> Any:
    """Ends the user's subscriptions of the topic."""
    wanted = UnsubscribeRequest(user=user, client=whose.client, channel=topic)
    return await _order(request, calls.UNSUBSCRIBE, wanted)


@rest.post("/users/{path:user}/disconnect", response=_responses(202, None), tags=["users"])
async def disconnect(request: HttpRequest, user: User, new: Body[NewDisconnection]) -> Any:
    """Closes the user's connections."""
    wanted = DisconnectRequest(
        user=user,
        client=new.client,
        whitelist=new.keep_clients,
        disconnect=Disconnection(code=new.code, reason=new.reason),
    )
    return await _order(request, calls.DISCONNECT, wanted)


@rest.post("/users/{path:user}/refresh", response=_responses(202, None), tags=["users"])
async def refresh(request: HttpRequest, user: User, new: Body[NewRefresh]) -> Any:
    """Says when the user's connections expire."""
    wanted = RefreshRequest(user=user, client=new.client, expired=new.is_expired, expire_at=new.expires_at)
    return await _order(request, calls.REFRESH, wanted)


@rest.get("/nodes", response=_responses(200, NodesOut), tags=["nodes"])
async def list_nodes(request: HttpRequest) -> Any:
    """The processes of the server that are alive."""
    result = await _perform(request, calls.INFO, InfoRequest())
    assert isinstance(result, InfoResult)  # noqa: S101  # For the type checker.
    return _json(result)


async def _order(request: HttpRequest, method: Method, wanted: Request) -> HttpResponse:
    await _perform(request, method, wanted)
    return HttpResponse(status=HTTPStatus.ACCEPTED)


async def _perform(request: HttpRequest, method: Method, wanted: Request) -> Result:
    sender: Sender = request.auth  # type: ignore[attr-defined]  # Ninja sets it.
    return await perform(sender, method, wanted)


def _json(content: Any, *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(content), status=status, content_type="application/json")


# ── Around the views ──────────────────────────────────────────────────────────────────────────

View = Callable[..., Awaitable[HttpResponseBase]]


def _guarded(view: View) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    # No cookie authenticates here, so there is nothing that another site's page could make use of.
    @csrf_exempt
    @wraps(view, updated=())
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            # From now on it is `request.body`, whatever Django's limit for browsers is.
            request._body = read_body(request)  # noqa: SLF001  # Django keeps it there.
        except ApiError as error:
            return answer_to(error)
        response = await view(request, *args, **kwargs)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return method_not_allowed(request, response.headers["Allow"])
        return response

    return guarded


def _guard(pattern: URLPattern | URLResolver) -> URLPattern | URLResolver:
    # Ninja's plain pages (its docs) stay as they are.
    if isinstance(pattern, URLPattern) and pattern.name not in ("openapi-json", "openapi-view", "api-root"):
        pattern.callback = _guarded(pattern.callback)
    return pattern


_patterns, _app_name, _namespace = rest.urls

rest_urls = ([_guard(pattern) for pattern in _patterns], _app_name, _namespace)
