"""The sans-I/O state machine of one connection: commands in, replies and pushes out.

It knows no socket, no encoding and no clock but the node's. The pump feeds it one command at a
time (RPC calls alone may overlap) and wakes it at `next_deadline`. Whatever else changes a session
from outside (the server unsubscribes it, a position is lost) comes through `connection.submit`, in
turn with the client's own commands. So between two awaits of a handler nothing else touches its
subscriptions; `disconnect()` and `tick()` await nothing.

    NEW ── connect ──▶ CONNECTED ── disconnect(), or the socket is gone ──▶ CLOSED
"""

import logging
import math
from enum import Enum, auto

from msgspec import Raw

from realtime.admission import Admission
from realtime.answers import Answers
from realtime.authentication import Authentication
from realtime.caller import Caller
from realtime.connection import Connection
from realtime.deadlines import Deadlines, earliest, is_due
from realtime.errors import (
    CloseCode,
    CommandError,
    Disconnect,
    ErrorCode,
    UnsubscribeCode,
)
from realtime.messages import (
    ClientInfo,
    Command,
    ConnectRequest,
    ConnectResult,
    Error,
    HistoryRequest,
    HistoryResult,
    PingResult,
    Position,
    PresenceRequest,
    PresenceResult,
    PresenceStatsRequest,
    PresenceStatsResult,
    PublishRequest,
    PublishResult,
    Push,
    Refreshed,
    RefreshRequest,
    RefreshResult,
    Reply,
    RpcRequest,
    RpcResult,
    SendRequest,
    ServerMessage,
    SubRefreshRequest,
    SubRefreshResult,
    Subscribed,
    SubscribeRequest,
    SubscribeResult,
    Unsubscribed,
    UnsubscribeRequest,
    UnsubscribeResult,
)
from realtime.node import Node
from realtime.publishing import history_policy
from realtime.rate_limits.throttle import ConnectionMeters
from realtime.rechecks import Scope
from realtime.subscription import State, Subscription
from realtime.subscriptions import Subscriptions
from realtime.tokens import ConnectionClaims, SubscriptionOptions
from realtime.topics.name import TopicName

logger = logging.getLogger(__name__)

PING = Reply()


class Phase(Enum):
    NEW = auto()
    CONNECTED = auto()
    CLOSED = auto()


class Session:
    """One client's conversation. Raises nothing to the pump: errors become replies or a close."""

    def __init__(self, *, node: Node, connection: Connection, login_key: str = "") -> None:
        self._node = node
        self._connection = connection
        self._subscriptions = Subscriptions(node)
        self._answers = Answers(node.monotonic)
        self._phase = Phase.NEW
        self._caller = Caller(user="", client=node.new_id())
        self._info = ClientInfo(client=self._caller.client)
        # Unix seconds; None: never.
        self._expires_at: float | None = None
        # Begins with the first command.
        self._meters: ConnectionMeters | None = None
        self._authentication = Authentication(node=node, login_key=login_key)
        self._deadlines = Deadlines(connect_by=node.monotonic() + node.limits.connect_timeout_seconds)
        self._admission = self._make_admission()

    def _make_admission(self) -> Admission:
        return Admission(
            node=self._node,
            caller=self._caller,
            answers=self._answers,
            info=self._info,
            connection=self._connection,
            codec=self._connection.codec,
            on_lost_position=self._lose_position,
        )

    @property
    def caller(self) -> Caller:
        return self._caller

    @property
    def topics(self) -> list[str]:
        return [subscription.topic.text for subscription in self._subscriptions]

    # ── From the client ───────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Called once, when the socket is up."""
        try:
            self._node.sessions.open(self)
        except Disconnect as error:
            self.disconnect(error.code)

    async def handle(self, command: Command) -> None:
        """Answers one command. Returns when its effects are complete."""
        if self._phase is Phase.CLOSED:
            return
        try:
            await self._dispatch(command)
        except CommandError as error:
            logger.debug("command failed: %s", error, extra={"client": self._caller.client})
            self._fail(command, error.code)
        except Disconnect as error:
            logger.info("client misbehaved: %s", error, extra={"client": self._caller.client})
            self.disconnect(error.code)
        except Exception:  # Hooks and RPC functions may raise anything.
            logger.exception("command crashed", extra={"client": self._caller.client})
            self._fail(command, ErrorCode.INTERNAL)

    async def _dispatch(self, command: Command) -> None:
        meters = self._meters
        if meters is None:
            meters = self._meters = ConnectionMeters()
        self._node.throttle.command(meters)
        if command.connect is not None and self._phase is Phase.NEW:
            return await self._connect(command.id, command.connect)
        if self._phase is not Phase.CONNECTED:
            raise Disconnect(CloseCode.BAD_REQUEST, "a command before connect")
        if command.id == 0 and command.send is None:
            raise Disconnect(CloseCode.BAD_REQUEST, "a command without an id")
        match command:
            case Command(publish=PublishRequest() as request):
                await self._node.throttle.publish(meters, self._caller.user)
                await self._publish(command.id, request)
            case Command(subscribe=SubscribeRequest() as request):
                await self._subscribe(command.id, request)
            case Command(unsubscribe=UnsubscribeRequest() as request):
                await self._unsubscribe(command.id, request)
            case Command(rpc=RpcRequest() as request):
                await self._node.throttle.rpc(meters, self._caller.user)
                await self._rpc(command.id, request)
            case Command(send=SendRequest() as request):
                await self._node.throttle.rpc(meters, self._caller.user)
                await self._node.methods.receive(self._node.hooks, self._caller, bytes(request.data))
            case Command(history=HistoryRequest() as request):
                await self._history(command.id, request)
            case Command(presence=PresenceRequest() as request):
                await self._presence(command.id, request)
            case Command(presence_stats=PresenceStatsRequest() as request):
                await self._presence_stats(command.id, request)
            case Command(refresh=RefreshRequest() as request):
                await self._refresh(command.id, request)
            case Command(sub_refresh=SubRefreshRequest() as request):
                await self._sub_refresh(command.id, request)
            case Command(ping=request) if request is not None:
                self._connection.send(Reply(id=command.id, ping=PingResult()))
            case Command(connect=request) if request is not None:
                raise Disconnect(CloseCode.BAD_REQUEST, "connected twice")
            case _:
                raise CommandError(ErrorCode.METHOD_NOT_FOUND)

    def _fail(self, command: Command, code: ErrorCode) -> None:
        # `send` has no id, and so no reply that an error could go into.
        if command.id:
            error = Error(code=code, message=code.text, temporary=code.temporary)
            self._connection.send(Reply(id=command.id, error=error))

    def pong(self) -> None:
        """The client's empty message. Not in turn with commands: a slow hook must not look like silence."""
        if self._phase is Phase.NEW:
            self.disconnect(CloseCode.BAD_REQUEST)
        self._deadlines.pong_by = None

    # ── Connect and refresh ───────────────────────────────────────────────────────────────────

    async def _connect(self, command_id: int, request: ConnectRequest) -> None:
        if command_id == 0:
            raise Disconnect(CloseCode.BAD_REQUEST, "connect without an id")
        node = self._node
        claims = await self._authentication.authenticate(request.token)
        if self._is_closed():
            return
        shown = claims.shown_info
        self._caller = Caller(
            user=claims.sub, client=self._caller.client, info=bytes(shown) if len(shown) else None
        )
        self._info = ClientInfo(user=claims.sub, client=self._caller.client, conn_info=shown)
        self._admission = self._make_admission()
        self._expires_at = claims.expires_at
        self._claim()
        await node.throttle.connect_as(claims.sub)
        results = await self._open_server_side(claims, request)
        if self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CONNECTED
        self._start_timers()
        ttl = self._ttl_seconds()
        result = ConnectResult(
            client=self._caller.client,
            version=node.version,
            expires=ttl is not None,
            ttl=ttl or 0,
            # Whole seconds on the wire; 0 would say that no pings come.
            ping=math.ceil(node.limits.ping_interval_seconds),
            pong=node.limits.pong_timeout_seconds > 0,
            subs=results,
        )
        self._connection.send(Reply(id=command_id, connect=result))
        started = list(self._subscriptions)
        for subscription in started:
            self._subscriptions.go_live(subscription)
        for subscription in started:
            await self._subscriptions.announce(subscription, self._caller)

    async def _open_server_side(
        self, claims: ConnectionClaims, request: ConnectRequest
    ) -> dict[str, SubscribeResult]:
        results: dict[str, SubscribeResult] = {}
        try:
            for subscription in self._admission.admit_by_connection(claims):
                topic = subscription.topic.text
                asked = request.subs.get(topic, SubscribeRequest())
                results[topic] = await self._subscriptions.open(subscription, asked)
        except BaseException:
            # The client gets an error for its connect, and so no topic at all.
            await self._leave_all()
            raise
        return results

    async def _refresh(self, command_id: int, request: RefreshRequest) -> None:
        claims = await self._authentication.authenticate(request.token)
        if claims.sub != self._caller.user:
            raise Disconnect(CloseCode.INVALID_TOKEN, "a token of another user")
        self._claim()
        self._watch_login()
        self._expires_at = claims.expires_at
        self._set_expiry_timer()
        ttl = self._ttl_seconds()
        result = RefreshResult(
            client=self._caller.client, version=self._node.version, expires=ttl is not None, ttl=ttl or 0
        )
        self._connection.send(Reply(id=command_id, refresh=result))

    def _is_closed(self) -> bool:
        """Asked after an await: in between the phase may be another."""
        return self._phase is Phase.CLOSED

    def _claim(self) -> None:
        # In the same step as the end of authenticate(): an order that ends the login finds it now.
        login = self._authentication.login
        self._node.sessions.claim(self, self._caller.user, login=login.id if login else "")

    def check_login(self) -> None:
        """Looks the login up that the connection hangs on, and ends with it."""
        self._deadlines.check_login_at = None
        self._connection.submit(self._check_login)

    async def _check_login(self) -> None:
        if self._phase is not Phase.CONNECTED:
            return
        try:
            if not await self._authentication.check():
                self.disconnect(CloseCode.INVALID_TOKEN)
        finally:
            self._watch_login()

    def _ttl_seconds(self) -> int | None:
        return None if self._expires_at is None else max(1, int(self._expires_at - self._node.clock()))

    # ── Subscriptions ─────────────────────────────────────────────────────────────────────────

    async def _subscribe(self, command_id: int, request: SubscribeRequest) -> None:
        topic = TopicName.parse(request.channel)
        namespace = self._node.namespaces.get_for(topic)
        self._subscriptions.check_room_for(topic.text)
        generation = self._answers.generation
        subscription = await self._admission.admit(topic, namespace, request)
        result = await self._subscriptions.open(subscription, request)
        self._connection.send(Reply(id=command_id, subscribe=result))
        self._subscriptions.go_live(subscription)
        if subscription.is_by_rule and generation != self._answers.generation:
            # What the rule has read changed before recheck() could find the subscription.
            self._recheck(subscription)
        self._watch_expiries()
        await self._subscriptions.announce(subscription, self._caller)

    async def _unsubscribe(self, command_id: int, request: UnsubscribeRequest) -> None:
        subscription = self._subscriptions.get(request.channel)
        if subscription is not None:
            if subscription.is_server_side:
                raise CommandError(ErrorCode.BAD_REQUEST, "the server subscribed; it alone unsubscribes")
            await self._subscriptions.end(subscription, self._caller)
        self._connection.send(Reply(id=command_id, unsubscribe=UnsubscribeResult()))

    async def _sub_refresh(self, command_id: int, request: SubRefreshRequest) -> None:
        subscription = self._subscriptions.get(request.channel)
        if subscription is None:
            raise CommandError(ErrorCode.PERMISSION_DENIED, "refresh of a topic that is not subscribed")
        claims = await self._admission.verify(request.token, subscription.topic)
        subscription.expires_at = claims.expires_at
        self._watch_expiries()
        ttl = subscription.ttl_seconds(self._node.clock())
        result = SubRefreshResult(expires=ttl is not None, ttl=ttl or 0)
        self._connection.send(Reply(id=command_id, sub_refresh=result))

    # ── Publish, history, presence, RPC ───────────────────────────────────────────────────────

    async def _publish(self, command_id: int, request: PublishRequest) -> None:
        node, caller = self._node, self._caller
        topic = TopicName.parse(request.channel)
        namespace = node.namespaces.get_for(topic)
        is_subscriber = self._subscriptions.is_live(topic.text)
        may_publish = node.permissions.may_publish
        if not await may_publish(
            caller, topic, namespace, is_subscriber=is_subscriber, answers=self._answers
        ):
            raise CommandError(ErrorCode.PERMISSION_DENIED, f"publish in {topic}")
        data = bytes(request.data)
        if not data:
            raise CommandError(ErrorCode.BAD_REQUEST, f"publication in {topic} without data")
        if namespace.on_publish is not None:
            replaced = await node.hooks.call(namespace.on_publish, caller, topic, data)
            data = data if replaced is None else replaced
        await node.publisher.publish(topic, data, info=self._info)
        self._connection.send(Reply(id=command_id, publish=PublishResult()))

    async def _history(self, command_id: int, request: HistoryRequest) -> None:
        topic = TopicName.parse(request.channel)
        namespace = self._node.namespaces.get_for(topic)
        is_subscriber = self._subscriptions.is_live(topic.text)
        policy = history_policy(namespace)
        if policy is None:
            raise CommandError(ErrorCode.NOT_AVAILABLE, f"{topic} keeps no history")
        may_read = self._node.permissions.may_read_history
        if not await may_read(
            self._caller, topic, namespace, is_subscriber=is_subscriber, answers=self._answers
        ):
            raise CommandError(ErrorCode.PERMISSION_DENIED, f"history of {topic}")
        history = await self._node.layer.history(
            topic.text,
            policy=policy,
            since=request.since,
            limit=None if request.limit < 0 else request.limit,
            reverse=request.reverse,
        )
        if request.since is not None and request.since.epoch not in ("", history.top.epoch):
            raise CommandError(ErrorCode.UNRECOVERABLE_POSITION, f"{topic} has another epoch")
        result = HistoryResult(
            publications=history.publications, epoch=history.top.epoch, offset=history.top.offset
        )
        self._connection.send(Reply(id=command_id, history=result))

    async def _presence(self, command_id: int, request: PresenceRequest) -> None:
        topic = await self._topic_with_presence(request.channel)
        members = await self._node.presence.members(topic.text)
        self._connection.send(Reply(id=command_id, presence=PresenceResult(presence=members)))

    async def _presence_stats(self, command_id: int, request: PresenceStatsRequest) -> None:
        topic = await self._topic_with_presence(request.channel)
        stats = await self._node.presence.stats(topic.text)
        result = PresenceStatsResult(num_clients=stats.clients, num_users=stats.users)
        self._connection.send(Reply(id=command_id, presence_stats=result))

    async def _topic_with_presence(self, text: str) -> TopicName:
        topic = TopicName.parse(text)
        namespace = self._node.namespaces.get_for(topic)
        if not namespace.presence:
            raise CommandError(ErrorCode.NOT_AVAILABLE, f"{topic} keeps no presence")
        is_subscriber = self._subscriptions.is_live(topic.text)
        may_see = self._node.permissions.may_see_presence
        if not await may_see(
            self._caller, topic, namespace, is_subscriber=is_subscriber, answers=self._answers
        ):
            raise CommandError(ErrorCode.PERMISSION_DENIED, f"presence of {topic}")
        return topic

    async def _rpc(self, command_id: int, request: RpcRequest) -> None:
        node = self._node
        result = await node.methods.call(node.hooks, self._caller, request.method, bytes(request.data))
        self._connection.send(Reply(id=command_id, rpc=RpcResult(data=Raw(result))))

    # ── From the server ───────────────────────────────────────────────────────────────────────

    def send_message(self, data: bytes) -> None:
        """Data for this client alone, outside of any topic."""
        self._push(Push(message=ServerMessage(data=Raw(data))))

    def subscribe(
        self, topic: str, options: SubscriptionOptions | None = None, *, since: Position | None = None
    ) -> None:
        """Subscribes the client by the server's will. Raises CommandError for a bad or unknown topic.

        The client first gets what was published after `since`, where the log still has all of it and
        the topic is one to recover.
        """
        subscription = self._admission.admit_by_server(topic, options or SubscriptionOptions())
        request = SubscribeRequest()
        if since is not None:
            request = SubscribeRequest(recover=True, epoch=since.epoch, offset=since.offset)
        self._connection.submit(lambda: self._subscribe_by_server(subscription, request))

    async def _subscribe_by_server(self, subscription: Subscription, request: SubscribeRequest) -> None:
        topic = subscription.topic.text
        if self._phase is not Phase.CONNECTED or self._subscriptions.get(topic):
            return
        result = await self._subscriptions.open(subscription, request)
        subscribed = Subscribed(
            recoverable=result.recoverable,
            epoch=result.epoch,
            offset=result.offset,
            positioned=result.positioned,
            data=result.data,
        )
        self._push(Push(channel=topic, subscribe=subscribed))
        for publication in result.publications:
            self._push(Push(channel=topic, pub=publication))
        self._subscriptions.go_live(subscription)
        await self._subscriptions.announce(subscription, self._caller)

    def unsubscribe(self, topic: str, code: UnsubscribeCode = UnsubscribeCode.SERVER) -> None:
        """Ends the client's subscription, whoever began it, and tells the client why."""
        self._connection.submit(lambda: self._unsubscribe_by_server(topic, code))

    async def _unsubscribe_by_server(self, topic: str, code: UnsubscribeCode) -> None:
        subscription = self._subscriptions.get(topic)
        if subscription is not None:
            await self._end(subscription, code)

    async def _end(self, subscription: Subscription, code: UnsubscribeCode) -> None:
        if subscription.state is State.ENDED:
            return
        await self._subscriptions.end(subscription, self._caller)
        told = Unsubscribed(code=code, reason=code.text)
        self._push(Push(channel=subscription.topic.text, unsubscribe=told))

    def recheck(self, scope: Scope) -> None:
        """What rules read has changed: forgets their answers, and asks whether the client may stay.

        Topics that it may not stay in end soon after (realtime/rechecks.py).
        """
        self._answers.forget()
        for subscription in self._subscriptions:
            if subscription.is_by_rule and scope.covers(subscription.topic):
                self._recheck(subscription)

    def _recheck(self, subscription: Subscription) -> None:
        def end(code: UnsubscribeCode) -> None:
            # Another subscription of the same topic may stand by then: that one was asked for itself.
            self._connection.submit(lambda: self._end(subscription, code))

        self._node.rechecks.add(subscription, caller=self._caller, end=end)

    def refresh(self, expires_at: float | None) -> None:
        """Sets when the connection ends (Unix seconds; None: never) and tells the client."""
        self._connection.submit(lambda: self._refresh_by_server(expires_at))

    async def _refresh_by_server(self, expires_at: float | None) -> None:
        self._expires_at = expires_at
        self._set_expiry_timer()
        ttl = self._ttl_seconds()
        self._push(Push(refresh=Refreshed(expires=ttl is not None, ttl=ttl or 0)))

    def disconnect(self, code: CloseCode) -> None:
        """Closes the connection; what it held is let go of in close(), which the pump calls."""
        if self._phase is not Phase.CLOSED:
            self._phase = Phase.CLOSED
            self._connection.close(code)

    async def close(self) -> None:
        """Called once, when the socket is gone: leaves every topic."""
        self._phase = Phase.CLOSED
        self._node.sessions.close(self)
        await self._leave_all()

    async def _leave_all(self) -> None:
        for subscription in self._subscriptions:
            await self._subscriptions.end(subscription, self._caller)

    def _lose_position(self, subscription: Subscription) -> None:
        self.unsubscribe(subscription.topic.text, UnsubscribeCode.INSUFFICIENT_STATE)

    def _push(self, push: Push) -> None:
        if self._phase is Phase.CONNECTED:
            self._connection.send(Reply(push=push))

    # ── Time ──────────────────────────────────────────────────────────────────────────────────

    @property
    def next_deadline(self) -> float | None:
        """When to call tick() at the latest, in monotonic seconds."""
        return self._deadlines.next

    def tick(self) -> None:
        """Does what is due. Too early is harmless."""
        if self._phase is Phase.CLOSED:
            return
        now = self._node.monotonic()
        if is_due(self._deadlines.connect_by, now):
            self.disconnect(CloseCode.STALE)
        elif is_due(self._deadlines.pong_by, now):
            self.disconnect(CloseCode.NO_PONG)
        elif is_due(self._deadlines.expire_by, now):
            self.disconnect(CloseCode.EXPIRED)
        else:
            if is_due(self._deadlines.topics_expire_by, now):
                self._end_expired_topics()
            if is_due(self._deadlines.check_login_at, now):
                self.check_login()
            if is_due(self._deadlines.ping_at, now):
                self._ping(now)

    def _start_timers(self) -> None:
        self._deadlines.connect_by = None
        self._set_expiry_timer()
        self._watch_login()
        interval = self._node.limits.ping_interval_seconds
        if interval > 0:
            # Clients that came at once, after a deploy say, are not all pinged at once.
            self._deadlines.ping_at = self._node.monotonic() + interval * (
                0.5 + 0.5 * self._node.rng.random()
            )

    def _ping(self, now: float) -> None:
        limits = self._node.limits
        self._connection.send(PING)
        self._deadlines.ping_at = now + limits.ping_interval_seconds
        if limits.pong_timeout_seconds > 0:
            self._deadlines.pong_by = now + limits.pong_timeout_seconds

    def _set_expiry_timer(self) -> None:
        self._deadlines.expire_by = self._deadline_for(self._expires_at)

    def _watch_login(self) -> None:
        login, interval = self._authentication.login, self._node.limits.login_check_seconds
        waits = []
        if login is not None and interval > 0:
            # Spread, so that clients that came at once do not all ask the database at once.
            waits.append(interval * (0.75 + 0.5 * self._node.rng.random()))
        if login is not None and login.expires_at is not None:
            waits.append(max(1, login.expires_at - self._node.clock()))
        self._deadlines.check_login_at = self._node.monotonic() + min(waits) if waits else None

    def _watch_expiries(self) -> None:
        self._deadlines.topics_expire_by = earliest(
            self._deadline_for(subscription.expires_at) for subscription in self._subscriptions
        )

    def _end_expired_topics(self) -> None:
        latest = self._node.clock() - self._node.limits.expiry_grace_seconds
        for subscription in self._subscriptions:
            if subscription.expires_at is not None and subscription.expires_at <= latest:
                # Ending takes a moment; until then it must not count as due again.
                subscription.expires_at = None
                self.unsubscribe(subscription.topic.text, UnsubscribeCode.EXPIRED)
        self._watch_expiries()

    def _deadline_for(self, expires_at: float | None) -> float | None:
        """When the grace time of an expiry (Unix seconds) runs out, in monotonic seconds."""
        if expires_at is None:
            return None
        remaining = expires_at - self._node.clock() + self._node.limits.expiry_grace_seconds
        return self._node.monotonic() + remaining
