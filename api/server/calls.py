"""What a server may have done by its API key: every method, once, whichever way the call came in."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from api.keys import Key, Scope
from api.server import audit
from api.server.requests import (
    BatchRequest,
    BroadcastRequest,
    BroadcastResult,
    ChannelsRequest,
    ChannelsResult,
    DisconnectRequest,
    Failure,
    HistoryRemoveRequest,
    HistoryRequest,
    HistoryResult,
    InfoRequest,
    InfoResult,
    NodeResult,
    PresenceRequest,
    PresenceResult,
    PresenceStatsRequest,
    PresenceStatsResult,
    PublishRequest,
    PublishResult,
    RefreshRequest,
    Request,
    Response,
    Result,
    SubscribeRequest,
    TopicInfo,
    UnsubscribeRequest,
    payload,
)
from realtime.errors import CloseCode, CommandError, ErrorCode, LayerUnavailable
from realtime.json_payload import json_payload
from realtime.layers.base import Published
from realtime.messages import ClientInfo, Publication
from realtime.nodes import NodeInfo
from realtime.publishing import history_policy
from realtime.runtime import get_runtime
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace

logger = logging.getLogger(__name__)

# So much of a broadcast or a batch is under way at once: enough to fill Redis' pipeline, little enough
# that others get their turn.
AT_ONCE = 100
# More than anybody sends in one piece; each is worth some 50 µs.
MAX_TOPICS = 10_000
MAX_COMMANDS = 1_000

NOTHING = Result()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who calls: the key, and the address that the request came from."""

    key: Key
    ip: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """`run` carries out a request that `key` may make."""

    name: str
    scope: Scope
    request: type[Request]
    run: Callable[[Key, Any], Awaitable[Result]]


async def perform(sender: Sender, method: Method, request: Request) -> Result:
    """Carries out one call, if the key may make it. Raises CommandError.

    Every authorised call passes through here, and only here: those of /api/<method>, each command of
    a batch, and those of /api/v1. What counts, limits or records calls belongs here.
    """
    key, ip, name, scope = sender.key, sender.ip, method.name, method.scope
    try:
        _check(key, method, request)
        result = await method.run(key, request)
    except CommandError as error:
        audit.note_failed(key, ip, name, scope, request, error=error)
        raise
    audit.note_done(key, ip, name, scope, request)
    return result


async def attempt(sender: Sender, method: Method, request: Request) -> Response:
    """As perform(), with what goes wrong in the answer."""
    try:
        return Response(result=await perform(sender, method, request))
    except CommandError as error:
        return Response(error=describe(error))
    except Exception:  # Others in the same batch have been carried out: their answers must not be lost.
        logger.exception("a call of the server API crashed", extra={"method": method.name})
        return Response(error=Failure(ErrorCode.INTERNAL.value, ErrorCode.INTERNAL.text))


async def perform_batch(sender: Sender, batch: BatchRequest) -> list[dict[str, Any]]:
    """One reply for each command, in their order: the result under the method's name, or the error.

    `parallel`: in any order; otherwise one after the other. Raises CommandError 106 and 107 before
    anything is carried out.
    """
    if len(batch.commands) > MAX_COMMANDS:
        raise CommandError(
            ErrorCode.LIMIT_EXCEEDED, f"{len(batch.commands)} commands, expected at most {MAX_COMMANDS}"
        )
    calls = []
    for number, command in enumerate(batch.commands):
        if len(command.requests) != 1:
            raise CommandError(
                ErrorCode.BAD_REQUEST, f"commands[{number}] has {len(command.requests)} methods, expected one"
            )
        calls.extend(command.requests)

    async def reply(name: str, request: Request) -> dict[str, Any]:
        response = await attempt(sender, METHODS[name], request)
        return {name: response.result} if response.error is None else {"error": response.error}

    if batch.parallel:
        return await _gather(reply(name, request) for name, request in calls)
    return [await reply(name, request) for name, request in calls]


def describe(error: CommandError) -> Failure:
    """A server may know what a stranger may not; but not where the layer is."""
    text = error.code.text
    if isinstance(error, LayerUnavailable):
        return Failure(error.code.value, f"{text}: the topics cannot be reached now; repeat the request")
    return Failure(error.code.value, f"{text}: {error.detail}" if error.detail else text)


def _check(key: Key, method: Method, request: Request) -> None:
    if not key.may(method.scope):
        raise CommandError(
            ErrorCode.PERMISSION_DENIED,
            f"key {key.id} may not call {method.name}; it lacks scope {method.scope}",
        )
    if key.is_for_every_namespace:
        return
    for text in request.topics:
        if not key.may_use(TopicName.parse(text)):
            raise CommandError(ErrorCode.PERMISSION_DENIED, f"key {key.id} may not use {text}")


# ── Publishing ────────────────────────────────────────────────────────────────────────────────


async def publish(key: Key, request: PublishRequest) -> PublishResult:
    return _published(await publish_one(request))


async def publish_one(request: PublishRequest) -> Published:
    return await _publish(request.channel, payload(request.data, request.b64data), request)


async def broadcast(key: Key, request: BroadcastRequest) -> BroadcastResult:
    """The topics' answers in their order; one that fails does not keep the others from it."""
    if len(request.channels) > MAX_TOPICS:
        raise CommandError(
            ErrorCode.LIMIT_EXCEEDED, f"{len(request.channels)} topics, expected at most {MAX_TOPICS}"
        )
    if not request.channels:
        raise CommandError(ErrorCode.BAD_REQUEST, "no topics, expected some in channels")
    data = payload(request.data, request.b64data)

    async def respond(topic: str) -> Response:
        try:
            return Response(result=_published(await _publish(topic, data, request)))
        except CommandError as error:
            return Response(error=describe(error))

    return BroadcastResult(await _gather(respond(topic) for topic in request.channels))


async def _publish(topic: str, data: bytes, request: PublishRequest | BroadcastRequest) -> Published:
    return await get_runtime().publisher.publish(
        topic,
        data,
        tags=request.tags,
        idempotency_key=request.idempotency_key,
        skips_history=request.skip_history,
    )


def _published(published: Published) -> PublishResult:
    return PublishResult(published.position.offset, published.position.epoch)


async def _gather(work: Iterable[Awaitable[Any]]) -> list[Any]:
    answers: list[Any] = []
    waiting = list(work)
    for start in range(0, len(waiting), AT_ONCE):
        # They begin in their order, so two publications in one topic keep theirs.
        answers += await asyncio.gather(*waiting[start : start + AT_ONCE])
    return answers


# ── Orders to sessions ────────────────────────────────────────────────────────────────────────


async def subscribe(key: Key, request: SubscribeRequest) -> Result:
    _refuse_session(request.session)
    override = {option: flag.value for option, flag in (request.override or {}).items() if flag is not None}
    await get_runtime().control.subscribe(
        request.user,
        request.channel,
        client=request.client,
        info=payload(request.info, request.b64info),
        data=payload(request.data, request.b64data),
        override=override,
        since=request.recover_since,
    )
    return NOTHING


async def unsubscribe(key: Key, request: UnsubscribeRequest) -> Result:
    _refuse_session(request.session)
    await get_runtime().control.unsubscribe(request.user, request.channel, client=request.client)
    return NOTHING


async def disconnect(key: Key, request: DisconnectRequest) -> Result:
    _refuse_session(request.session)
    code = CloseCode.FORCE_NO_RECONNECT
    if request.disconnect is not None and (request.disconnect.code or request.disconnect.reason):
        code = CloseCode.of(request.disconnect.code or code.value, request.disconnect.reason)
    await get_runtime().control.disconnect(
        request.user, client=request.client, code=code, keep_clients=request.whitelist
    )
    return NOTHING


async def refresh(key: Key, request: RefreshRequest) -> Result:
    _refuse_session(request.session)
    await get_runtime().control.refresh(
        request.user,
        client=request.client,
        expires_at=request.expire_at or None,
        is_expired=request.expired,
    )
    return NOTHING


def _refuse_session(session: str) -> None:
    if session:
        raise CommandError(
            ErrorCode.NOT_AVAILABLE, "a connection cannot be named by its session; name it by client"
        )


# ── Presence and history ──────────────────────────────────────────────────────────────────────


async def presence(key: Key, request: PresenceRequest) -> PresenceResult:
    topic = _topic_with_presence(request.channel)
    members = await get_runtime().presence.members(topic.text)
    return PresenceResult({client: _printable_info(info) for client, info in members.items()})


async def presence_stats(key: Key, request: PresenceStatsRequest) -> PresenceStatsResult:
    topic = _topic_with_presence(request.channel)
    stats = await get_runtime().presence.stats(topic.text)
    return PresenceStatsResult(num_clients=stats.clients, num_users=stats.users)


async def history(key: Key, request: HistoryRequest) -> HistoryResult:
    topic, namespace = _topic(request.channel)
    policy = history_policy(namespace)
    if policy is None:
        raise CommandError(ErrorCode.NOT_AVAILABLE, f"{topic} keeps no history")
    read = await get_runtime().layer.history(
        topic.text,
        policy=policy,
        since=request.since,
        limit=None if request.limit < 0 else request.limit,
        reverse=request.reverse,
    )
    if request.since is not None and request.since.epoch not in ("", read.top.epoch):
        raise CommandError(ErrorCode.UNRECOVERABLE_POSITION, f"{topic} is in epoch {read.top.epoch}")
    publications = [_printable(publication) for publication in read.publications]
    return HistoryResult(publications, read.top.offset, read.top.epoch)


async def history_remove(key: Key, request: HistoryRemoveRequest) -> Result:
    topic, namespace = _topic(request.channel)
    if not namespace.keeps_history:
        raise CommandError(ErrorCode.NOT_AVAILABLE, f"{topic} keeps no history")
    await get_runtime().layer.remove_history(topic.text)
    return NOTHING


def _topic(text: str) -> tuple[TopicName, Namespace]:
    topic = TopicName.parse(text)
    return topic, get_runtime().node.namespaces.get_for(topic)


def _topic_with_presence(text: str) -> TopicName:
    topic, namespace = _topic(text)
    if not namespace.presence:
        raise CommandError(ErrorCode.NOT_AVAILABLE, f"{topic} keeps no presence")
    return topic


def _printable(publication: Publication) -> Publication:
    info = publication.info if publication.info is None else _printable_info(publication.info)
    return msgspec.structs.replace(publication, data=json_payload(publication.data), info=info)


def _printable_info(info: ClientInfo) -> ClientInfo:
    return msgspec.structs.replace(
        info, conn_info=json_payload(info.conn_info), chan_info=json_payload(info.chan_info)
    )


# ── Topics and nodes ──────────────────────────────────────────────────────────────────────────


async def channels(key: Key, request: ChannelsRequest) -> ChannelsResult:
    """Those with subscribers now, on all processes, in the namespaces of the key."""
    counts = await get_runtime().surveys.topics(request.pattern)
    return ChannelsResult(
        {topic: TopicInfo(counts[topic]) for topic in sorted(counts) if key.may_use(TopicName.parse(topic))}
    )


async def info(key: Key, request: InfoRequest) -> InfoResult:
    now = time.time()
    return InfoResult([_node(node, now) for node in get_runtime().nodes.nodes()])


def _node(node: NodeInfo, now: float) -> NodeResult:
    return NodeResult(
        uid=node.id,
        name=node.name,
        version=node.version,
        num_clients=node.clients,
        num_users=node.users,
        num_subs=node.subscriptions,
        num_channels=node.topics,
        uptime=max(0, int(now - node.started_at)),
    )


PUBLISH = Method("publish", Scope.PUBLISH, PublishRequest, publish)
BROADCAST = Method("broadcast", Scope.PUBLISH, BroadcastRequest, broadcast)
SUBSCRIBE = Method("subscribe", Scope.SUBSCRIPTIONS, SubscribeRequest, subscribe)
UNSUBSCRIBE = Method("unsubscribe", Scope.SUBSCRIPTIONS, UnsubscribeRequest, unsubscribe)
DISCONNECT = Method("disconnect", Scope.CONNECTIONS, DisconnectRequest, disconnect)
REFRESH = Method("refresh", Scope.CONNECTIONS, RefreshRequest, refresh)
PRESENCE = Method("presence", Scope.PRESENCE, PresenceRequest, presence)
PRESENCE_STATS = Method("presence_stats", Scope.PRESENCE, PresenceStatsRequest, presence_stats)
HISTORY = Method("history", Scope.HISTORY, HistoryRequest, history)
HISTORY_REMOVE = Method("history_remove", Scope.HISTORY_REMOVE, HistoryRemoveRequest, history_remove)
CHANNELS = Method("channels", Scope.INFO, ChannelsRequest, channels)
INFO = Method("info", Scope.INFO, InfoRequest, info)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        PUBLISH, BROADCAST, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, REFRESH, PRESENCE, PRESENCE_STATS,
        HISTORY, HISTORY_REMOVE, CHANNELS, INFO,
    )
}  # fmt: skip
