"""The topics of one session, from joining the hub to telling others that it left. No commands, no tokens."""

import logging
from collections.abc import Awaitable, Iterator

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode, LayerUnavailable
from realtime.messages import (
    REJECTS_UNRECOVERED,
    Joined,
    Left,
    Position,
    SubscribeRequest,
    SubscribeResult,
)
from realtime.node import Node
from realtime.publishing import history_policy
from realtime.recovery import Start, find_start
from realtime.subscription import State, Subscription
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace

logger = logging.getLogger(__name__)


class Subscriptions:
    """How one begins:

        open()      pending in the hub, the log read, presence written; gives the result to send
        go_live()   right after the reply, without an await between: waiting events go out
        announce()  others are told, the namespace's hook is called

    and `end()` undoes whatever of this had happened.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._by_topic: dict[str, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._by_topic.values()))

    def get(self, topic: str) -> Subscription | None:
        return self._by_topic.get(topic)

    def is_live(self, topic: str) -> bool:
        subscription = self._by_topic.get(topic)
        return subscription is not None and subscription.state is State.LIVE

    def check_room_for(self, topic: str) -> None:
        """Raises CommandError 105 (subscribed already) or 106 (too many topics)."""
        if topic in self._by_topic:
            raise CommandError(ErrorCode.ALREADY_SUBSCRIBED, topic)
        most = self._node.limits.max_topics_per_connection
        if len(self._by_topic) >= most:
            raise CommandError(ErrorCode.LIMIT_EXCEEDED, f"{most} topics on one connection")

    async def open(self, subscription: Subscription, request: SubscribeRequest) -> SubscribeResult:
        """Raises CommandError 105, 106, 112 (the client wants no subscription that could not be
        recovered), and what layer and presence raise; nothing is left behind then."""
        self.check_room_for(subscription.topic.text)
        self._by_topic[subscription.topic.text] = subscription
        try:
            return await self._open(subscription, request)
        except BaseException:
            await self._withdraw(subscription)
            raise

    async def _open(self, subscription: Subscription, request: SubscribeRequest) -> SubscribeResult:
        node, topic, namespace = self._node, subscription.topic.text, subscription.namespace
        subscription.topic_id = await node.hub.join(
            topic,
            subscription,
            conflates=namespace.slow_consumer == "conflate",
            history=history_policy(namespace),
        )
        start = await self._find_start(subscription, request)
        subscription.position = start.top
        was_recovering = request.recover and subscription.is_recoverable
        if was_recovering and not start.is_recovered and request.flag & REJECTS_UNRECOVERED:
            raise CommandError(ErrorCode.UNRECOVERABLE_POSITION, topic)
        if _is_member(namespace):
            await node.presence.add(
                topic,
                subscription.info,
                is_listed=namespace.presence,
                is_announced=namespace.join_leave,
            )
        ttl = subscription.ttl_seconds(node.clock())
        # A recovering client takes its position from the publications; without any it keeps its own.
        is_gap_filled = start.is_recovered and namespace.force_recovery_mode == "stream"
        return SubscribeResult(
            expires=ttl is not None,
            ttl=ttl or 0,
            recoverable=subscription.is_recoverable,
            positioned=subscription.is_positioned,
            epoch=start.top.epoch,
            offset=request.offset if is_gap_filled else start.top.offset,
            publications=start.publications,
            recovered=start.is_recovered,
            was_recovering=was_recovering,
            data=subscription.data,
            id=subscription.topic_id if subscription.wants_topic_id else 0,
        )

    async def _find_start(self, subscription: Subscription, request: SubscribeRequest) -> Start:
        policy = history_policy(subscription.namespace)
        if policy is None or not (subscription.is_recoverable or subscription.is_positioned):
            return Start(Position(), [])
        wants_recovery = request.recover and subscription.is_recoverable
        return await find_start(
            self._node.layer,
            subscription.topic.text,
            policy=policy,
            since=Position(offset=request.offset, epoch=request.epoch) if wants_recovery else None,
            mode=subscription.namespace.force_recovery_mode,
        )

    def go_live(self, subscription: Subscription) -> None:
        """Nothing is lost or doubled: what came since open() follows the reply, and all else follows that."""
        subscription.state = State.LIVE
        self._node.hub.go_live(subscription.topic.text, subscription, subscription.position)

    async def announce(self, subscription: Subscription, caller: Caller) -> None:
        """What fails is logged: the client has its reply by now, and is in the topic all the same."""
        node, topic, namespace = self._node, subscription.topic, subscription.namespace
        if namespace.join_leave:
            subscription.was_announced = True
            await _attempt("announcing", topic, node.layer.broadcast(topic.text, Joined(subscription.info)))
        if namespace.on_subscribe is not None:
            await _attempt("on_subscribe", topic, node.hooks.call(namespace.on_subscribe, caller, topic))

    async def end(self, subscription: Subscription, caller: Caller) -> None:
        """Does nothing where it has ended. What fails is logged: the end stands all the same."""
        if subscription.state is State.ENDED:
            return
        was_live = subscription.state is State.LIVE
        await self._withdraw(subscription)
        node, topic, namespace = self._node, subscription.topic, subscription.namespace
        if subscription.was_announced:
            await _attempt("announcing", topic, node.layer.broadcast(topic.text, Left(subscription.info)))
        if was_live and namespace.on_unsubscribe is not None:
            await _attempt("on_unsubscribe", topic, node.hooks.call(namespace.on_unsubscribe, caller, topic))

    async def _withdraw(self, subscription: Subscription) -> None:
        node, topic = self._node, subscription.topic
        subscription.state = State.ENDED
        self._by_topic.pop(topic.text, None)
        try:
            await _attempt("leaving", topic, node.hub.leave(topic.text, subscription))
        finally:
            # Also when the task is cancelled: nobody would come back to do it.
            if _is_member(subscription.namespace):
                client = subscription.info.client
                await _attempt("leaving presence", topic, node.presence.remove(topic.text, client))


def _is_member(namespace: Namespace) -> bool:
    # Also where nobody is told who is there: should this process die, others are told who left.
    return namespace.presence or namespace.join_leave


async def _attempt(what: str, topic: TopicName, step: Awaitable[object]) -> None:
    try:
        await step
    except LayerUnavailable as error:
        # The layer's own connection warns of it once; each session's part in it is a detail.
        logger.info("%s failed: %s", what, error, extra={"topic": topic.text})
    except Exception:  # The project's code may raise anything.
        logger.exception("%s failed", what, extra={"topic": topic.text})
