"""Who may do what in a topic: the namespace's options and hooks, put together. Deny by default.

A namespace's own hook decides alone where it has one; its options decide otherwise.
"""

from realtime.caller import Caller
from realtime.hooks import Hooks
from realtime.topics.name import TopicName
from realtime.topics.namespace import Grants, Namespace


class Permissions:
    """`is_insecure` opens every client rule: for tests and demos only."""

    def __init__(self, *, hooks: Hooks, is_insecure: bool = False) -> None:
        self._hooks = hooks
        self.is_insecure = is_insecure

    async def may_subscribe(self, caller: Caller, topic: TopicName, namespace: Namespace) -> bool:
        """Without a subscription token; with a valid one nobody asks."""
        if self.is_insecure:
            return True
        if topic.is_private:
            return False
        if topic.users is not None:
            # The name says whom it is for: no option for everybody opens it to others.
            return namespace.allow_user_limited_channels and caller.user in topic.users
        if namespace.can_subscribe is not None:
            return bool(await self._hooks.call(namespace.can_subscribe, caller, topic))
        return namespace.allow_subscribe_for_client and (
            not caller.is_anonymous or namespace.allow_subscribe_for_anonymous
        )

    async def may_publish(
        self, caller: Caller, topic: TopicName, namespace: Namespace, *, is_subscriber: bool
    ) -> bool:
        if self.is_insecure:
            return True
        if namespace.can_publish is not None:
            return bool(await self._hooks.call(namespace.can_publish, caller, topic))
        return _is_granted(caller, topic, namespace.publish_grants, is_subscriber=is_subscriber)

    def may_see_presence(
        self, caller: Caller, topic: TopicName, namespace: Namespace, *, is_subscriber: bool
    ) -> bool:
        return self.is_insecure or _is_granted(
            caller, topic, namespace.presence_grants, is_subscriber=is_subscriber
        )

    def may_read_history(
        self, caller: Caller, topic: TopicName, namespace: Namespace, *, is_subscriber: bool
    ) -> bool:
        return self.is_insecure or _is_granted(
            caller, topic, namespace.history_grants, is_subscriber=is_subscriber
        )


def _is_granted(caller: Caller, topic: TopicName, grants: Grants, *, is_subscriber: bool) -> bool:
    if grants.subscriber and is_subscriber:
        return True
    if topic.is_private or (topic.users is not None and caller.user not in topic.users):
        return False
    return grants.client and (not caller.is_anonymous or grants.anonymous)
