"""What a wish to be in a topic comes to: a refusal, or a Subscription with its options. It opens nothing.

Wishes come from the client (with a subscription token or by the namespace's rules), from the
connection token, from the settings (the personal topic) and from the server at any time.
"""

from collections.abc import Callable, Mapping

from msgspec import Raw, structs

from realtime.answers import Answers
from realtime.caller import Caller
from realtime.codec import Codec
from realtime.errors import CloseCode, CommandError, ConfigurationError, Disconnect, ErrorCode
from realtime.keys.remote import KeysUnavailable
from realtime.messages import EMPTY, WANTS_TOPIC_ID, ClientInfo, SubscribeRequest
from realtime.node import Node
from realtime.subscriber import Connection
from realtime.subscription import Subscription
from realtime.tokens import (
    ConnectionClaims,
    Override,
    SubscriptionClaims,
    SubscriptionOptions,
    TokenExpired,
    TokenInvalid,
)
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace


class Admission:
    """For one connected client."""

    def __init__(
        self,
        *,
        node: Node,
        caller: Caller,
        answers: Answers,
        info: ClientInfo,
        connection: Connection,
        codec: Codec,
        on_lost_position: Callable[[Subscription], None],
    ) -> None:
        self._node = node
        self._caller = caller
        self._answers = answers
        self._info = info
        self._connection = connection
        self._codec = codec
        self._on_lost_position = on_lost_position

    async def admit(self, topic: TopicName, namespace: Namespace, request: SubscribeRequest) -> Subscription:
        """By the client's wish. Raises CommandError 103, 108, 109 and Disconnect 3500."""
        if len(request.tf):
            # Serving everything to a client that asked for a part would be silently wrong.
            raise CommandError(ErrorCode.NOT_AVAILABLE, "tag filters are not offered yet")
        if not request.token:
            if not await self._node.permissions.may_subscribe(self._caller, topic, namespace):
                raise CommandError(ErrorCode.PERMISSION_DENIED, f"subscribe to {topic}")
            is_by_rule = namespace.can_subscribe is not None or namespace.can_see_presence is not None
            return await self._make_as_asked(topic, namespace, request, is_by_rule=is_by_rule)
        claims = await self.verify(request.token, topic)
        return await self._make_as_asked(
            topic,
            _override(namespace, claims.override),
            request,
            chan_info=claims.shown_info,
            expires_at=claims.expires_at,
        )

    async def verify(self, token: str, topic: TopicName) -> SubscriptionClaims:
        """Raises CommandError 100 (no keys now), 103 (bad), 109 (expired) and Disconnect 3500 (another's)."""
        try:
            await self._node.tokens.fetch_key(token)
            claims = self._node.tokens.verify_subscription(token)
        except TokenExpired as error:
            raise CommandError(ErrorCode.TOKEN_EXPIRED, str(error)) from error
        except TokenInvalid as error:
            raise CommandError(ErrorCode.PERMISSION_DENIED, str(error)) from error
        except KeysUnavailable as error:
            raise CommandError(ErrorCode.INTERNAL, str(error)) from error
        if claims.channel != topic.text or claims.sub != self._caller.user:
            raise Disconnect(CloseCode.INVALID_TOKEN, "a subscription token of another topic or user")
        return claims

    def admit_by_connection(self, claims: ConnectionClaims) -> list[Subscription]:
        """By the connection token and the settings. Raises CommandError 102, 107."""
        wanted = dict.fromkeys(claims.channels, SubscriptionOptions()) | claims.subs
        if self._node.subscribes_to_personal_topic and not self._caller.is_anonymous:
            wanted.setdefault(TopicName.personal(self._caller.user).text, SubscriptionOptions())
        return [self.admit_by_server(text, options) for text, options in wanted.items()]

    def admit_by_server(self, text: str, options: SubscriptionOptions) -> Subscription:
        """By the server's will: no rule is asked. Raises CommandError 102, 107."""
        topic = TopicName.parse(text)
        return self._make(
            topic,
            _override(self._node.namespaces.get_for(topic), options.override),
            chan_info=options.chan_info,
            data=options.data,
            is_server_side=True,
        )

    async def _make_as_asked(
        self,
        topic: TopicName,
        namespace: Namespace,
        request: SubscribeRequest,
        *,
        chan_info: Raw = EMPTY,
        expires_at: float | None = None,
        is_by_rule: bool = False,
    ) -> Subscription:
        permissions, caller, answers = self._node.permissions, self._caller, self._answers
        # Recovery hands out what was published before, so that asking for it is reading history.
        may_recover = namespace.force_recovery or (
            request.recoverable
            and namespace.keeps_history
            and await permissions.may_read_history(
                caller, topic, namespace, is_subscriber=True, answers=answers
            )
        )
        sees_joins = namespace.force_push_join_leave or (
            request.join_leave
            and namespace.join_leave
            and await permissions.may_see_presence(
                caller, topic, namespace, is_subscriber=True, answers=answers
            )
        )
        return self._make(
            topic,
            namespace,
            chan_info=chan_info,
            expires_at=expires_at,
            is_by_rule=is_by_rule,
            may_recover=may_recover,
            wants_positioning=request.positioned,
            sees_joins=sees_joins,
            wants_topic_id=bool(request.flag & WANTS_TOPIC_ID),
        )

    def _make(
        self,
        topic: TopicName,
        namespace: Namespace,
        *,
        chan_info: Raw = EMPTY,
        data: Raw = EMPTY,
        expires_at: float | None = None,
        is_server_side: bool = False,
        is_by_rule: bool = False,
        may_recover: bool = False,
        wants_positioning: bool = False,
        sees_joins: bool = False,
        wants_topic_id: bool = False,
    ) -> Subscription:
        may_recover = may_recover or namespace.force_recovery
        wants_positioning = wants_positioning or namespace.force_positioning or may_recover
        sees_joins = sees_joins or namespace.force_push_join_leave
        return Subscription(
            topic=topic,
            namespace=namespace,
            connection=self._connection,
            codec=self._codec,
            info=structs.replace(self._info, chan_info=chan_info) if len(chan_info) else self._info,
            is_server_side=is_server_side,
            is_by_rule=is_by_rule,
            is_recoverable=namespace.keeps_history and may_recover,
            is_positioned=namespace.keeps_history and wants_positioning,
            wants_join_leave=namespace.join_leave and sees_joins,
            wants_topic_id=wants_topic_id,
            expires_at=expires_at,
            data=data,
            on_lost_position=self._on_lost_position,
        )


def _override(namespace: Namespace, override: Mapping[str, Override]) -> Namespace:
    if not override:
        return namespace
    try:
        return namespace.with_overrides({option: each.value for option, each in override.items()})
    except ConfigurationError as error:
        # The signature is right, so the fault is the token's maker's; the client cannot mend it.
        raise CommandError(ErrorCode.PERMISSION_DENIED, f"override in a token: {error}") from error
