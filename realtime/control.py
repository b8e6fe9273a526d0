"""The control bus: has sessions on all processes disconnect, subscribe, unsubscribe or refresh.

An order goes through a topic that no client can name, to every process, the sender's own included.
The topic has a log, so that the hub of a process whose connection to the layer was cut for a while
fetches the orders that it missed.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from msgspec import MsgspecError, Raw

from realtime.errors import CloseCode, CommandError, ConfigurationError, ErrorCode, UnsubscribeCode
from realtime.hub import Hub
from realtime.layers.base import HistoryPolicy, TopicLayer
from realtime.listening import Listening
from realtime.messages import EMPTY, Position, Publication
from realtime.orders import (
    DisconnectSessions,
    EndLogins,
    Order,
    RecheckSessions,
    RefreshSessions,
    RuleChange,
    SubscribeSessions,
    UnsubscribeSessions,
    decode_order,
    encode_order,
)
from realtime.publishing import Prepared
from realtime.rechecks import Scope
from realtime.sessions import OpenSession, Sessions
from realtime.tokens import Override, SubscriptionOptions
from realtime.topics.name import TopicName
from realtime.topics.registry import NamespaceRegistry

logger = logging.getLogger(__name__)

# Clients' topics have no spaces in their names.
CONTROL_TOPIC = " control"
# Longer than any outage in which connections survive, and more orders than anybody gives in that time.
CONTROL_HISTORY = HistoryPolicy(size=10_000, ttl_seconds=300)
# The log is held in memory: this times its size must be bearable.
MAX_ORDER_BYTES = 65_536
# RFC 6455, section 5.5: 125 bytes, of which the code takes two.
MAX_REASON_BYTES = 123


class Control:
    """Sends orders, and carries out those that are heard: it implements Listener (realtime/subscriber.py).

    An order that was sent is carried out once on every process, in the order in which all were
    sent. A session that connects at that moment may be missed: take the right to connect away first.
    `on_lost` is called when orders may have been missed that cannot be had any more.

    Each method raises CommandError 107 (no user and no client, a bad topic, code or option), 106
    (too large), 102 (no such topic), and LayerUnavailable: the order may have been sent all the same,
    and does no harm when it is sent again.
    """

    def __init__(
        self,
        *,
        layer: TopicLayer,
        hub: Hub,
        sessions: Sessions,
        namespaces: NamespaceRegistry,
        clock_ms: Callable[[], int],
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._layer = layer
        self._sessions = sessions
        self._namespaces = namespaces
        self._clock_ms = clock_ms
        self._on_lost = on_lost
        self._listening = Listening(
            hub=hub,
            topic=CONTROL_TOPIC,
            listener=self,
            history=CONTROL_HISTORY,
            then=self._check_what_was_missed,
        )

    @property
    def is_listening(self) -> bool:
        """Whether orders reach this process."""
        return self._listening.is_listening

    def start(self) -> None:
        """Carries out orders from about now on. On the loop that serves the sessions; once."""
        self._listening.start()

    async def stop(self) -> None:
        await self._listening.stop()

    # ── Orders ────────────────────────────────────────────────────────────────────────────────

    async def disconnect(
        self,
        user: str,
        *,
        client: str = "",
        code: CloseCode = CloseCode.FORCE_NO_RECONNECT,
        keep_clients: Collection[str] = (),
    ) -> None:
        """Closes the user's connections, or that of one client, but for those in `keep_clients`.

        `code` may be a project's own: `CloseCode.of(4501, "banned")`, from 3000 to 4999.
        """
        await self.send(
            DisconnectSessions(
                user=user,
                client=client,
                code=code.value,
                reason=code.text,
                keep_clients=tuple(keep_clients),
            )
        )

    async def unsubscribe(
        self, user: str, topic: str, *, client: str = "", code: UnsubscribeCode = UnsubscribeCode.SERVER
    ) -> None:
        """Ends their subscriptions of the topic, whoever began them, and tells the clients why."""
        await self.send(
            UnsubscribeSessions(user=user, client=client, topic=topic, code=code.value, reason=code.text)
        )

    async def subscribe(
        self,
        user: str,
        topic: str,
        *,
        client: str = "",
        info: bytes = b"",
        data: bytes = b"",
        override: Mapping[str, bool] | None = None,
        since: Position | None = None,
    ) -> None:
        """Subscribes those connected now, as far as they are not in the topic; no rule is asked.

        `info` is shown to other members, `data` goes to the clients, `override` changes options of
        the namespace. From `since` on they recover what they missed, where that can be had.
        """
        await self.send(
            SubscribeSessions(
                user=user,
                client=client,
                topic=topic,
                info=info,
                data=data,
                override=dict(override or {}),
                since=since,
            )
        )

    async def refresh(
        self, user: str, *, client: str = "", expires_at: float | None = None, is_expired: bool = False
    ) -> None:
        """Sets when the connections end (Unix seconds; None: never), or ends them as expired (3005)."""
        await self.send(
            RefreshSessions(user=user, client=client, expires_at=expires_at, is_expired=is_expired)
        )

    async def recheck(
        self, user: str | None = None, *, namespace: str | None = None, topic: str | None = None
    ) -> None:
        """What rules read has changed: subscriptions end that they no longer allow. None: any.

        Those that the client opened by itself and without a token. From code that cannot await, and
        as part of a transaction: realtime.revocation.recheck().
        """
        await self.send(RecheckSessions(changes=(RuleChange(user=user, namespace=namespace, topic=topic),)))

    async def send(self, order: Order) -> None:
        """Returns when the order is in the log."""
        prepared = self.prepare(order)
        await self._layer.publish(prepared.topic, prepared.publication, history=prepared.history)

    def prepare(self, order: Order) -> Prepared:
        """What a layer's publish() takes. Touches nothing, and may be called in any thread."""
        self._check(order)
        data = encode_order(order)
        if len(data) > MAX_ORDER_BYTES:
            raise CommandError(
                ErrorCode.LIMIT_EXCEEDED, f"an order of {len(data)} bytes, expected at most {MAX_ORDER_BYTES}"
            )
        return Prepared(CONTROL_TOPIC, Publication(data=Raw(data), time=self._clock_ms()), CONTROL_HISTORY)

    def _check(self, order: Order) -> None:
        if not _has_addressee(order):
            raise CommandError(ErrorCode.BAD_REQUEST, "an order without a user, expected one, or a client")
        match order:
            case DisconnectSessions() | EndLogins():
                if not 3000 <= order.code <= 4999:
                    raise CommandError(
                        ErrorCode.BAD_REQUEST, f"close code {order.code}, expected 3000 to 4999"
                    )
                if len(order.reason.encode()) > MAX_REASON_BYTES:
                    raise CommandError(
                        ErrorCode.BAD_REQUEST, f"a reason of more than {MAX_REASON_BYTES} bytes"
                    )
            case UnsubscribeSessions():
                # Its namespace may be gone; what is subscribed there is to end all the same.
                TopicName.parse(order.topic)
            case SubscribeSessions():
                namespace = self._namespaces.get_for(TopicName.parse(order.topic))
                try:
                    namespace.with_overrides(order.override)
                except ConfigurationError as error:
                    raise CommandError(ErrorCode.BAD_REQUEST, str(error)) from error
            case RefreshSessions() | RecheckSessions():
                pass

    # ── Listener ──────────────────────────────────────────────────────────────────────────────

    def hear(self, publication: Publication) -> None:
        try:
            order = decode_order(bytes(publication.data))
        except MsgspecError:
            # Of another version, while processes are being replaced: theirs know what to do.
            logger.exception("order skipped", extra={"offset": publication.offset})
            return
        if not _has_addressee(order):
            logger.error("order for nobody skipped", extra={"offset": publication.offset})
            return
        if isinstance(order, RecheckSessions):
            self._recheck(order)
            return
        for session in self._find(order):
            try:
                _carry_out(order, session)
            except Exception:  # One session must not keep the others from what they are told.
                logger.exception("order failed", extra={"client": session.caller.client})

    def _find(self, order: Order) -> list[OpenSession]:
        if isinstance(order, DisconnectSessions | EndLogins):
            # Heard by those, too, whose user is being looked up and who cannot be found yet.
            self._sessions.endings += 1
        if isinstance(order, EndLogins) and not order.client:
            return self._sessions.find_by_login(user=order.user, logins=order.logins)
        return self._sessions.find(user=order.user, client=order.client)

    def _recheck(self, order: RecheckSessions) -> None:
        # One pass over the sessions, however many changes came in the order.
        for user in {change.user for change in order.changes}:
            scope = Scope.of([change for change in order.changes if change.user == user])
            for session in self._sessions if user is None else self._sessions.of_user(user):
                try:
                    session.recheck(scope)
                except Exception:  # As above.
                    logger.exception("order failed", extra={"client": session.caller.client})

    def lost(self) -> None:
        logger.error("orders were missed: sessions may live on that were to end")
        # This much can be made up for.
        self._recheck(RecheckSessions(changes=(RuleChange(),)))
        for session in self._sessions.hanging_on_logins():
            session.check_login()
        self._on_lost()

    async def _check_what_was_missed(self) -> None:
        # They have connected before anything was heard.
        if self._sessions.connected:
            self.lost()


def _has_addressee(order: Order) -> bool:
    if isinstance(order, RecheckSessions):
        return bool(order.changes)
    return bool(order.user or order.client or (isinstance(order, EndLogins) and order.logins))


def _carry_out(order: Order, session: OpenSession) -> None:
    match order:
        case EndLogins():
            session.disconnect(CloseCode.of(order.code, order.reason))
        case DisconnectSessions():
            if session.caller.client not in order.keep_clients:
                session.disconnect(CloseCode.of(order.code, order.reason))
        case UnsubscribeSessions():
            session.unsubscribe(order.topic, UnsubscribeCode.of(order.code, order.reason))
        case SubscribeSessions():
            session.subscribe(order.topic, _options(order), since=order.since)
        case RefreshSessions(is_expired=True):
            session.disconnect(CloseCode.EXPIRED)
        case RefreshSessions():
            session.refresh(order.expires_at)


def _options(order: SubscribeSessions) -> SubscriptionOptions:
    return SubscriptionOptions(
        info=_raw(order.info),
        data=_raw(order.data),
        override={option: Override(value=value) for option, value in order.override.items()},
    )


def _raw(data: bytes) -> Raw:
    # The codecs know what is absent by this very object.
    return Raw(data) if data else EMPTY
