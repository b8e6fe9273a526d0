"""Asks a project's rules as a session would, without a server: for tests of the rules alone."""

from collections.abc import Callable, Iterable
from typing import Any

from asgiref.sync import sync_to_async

from realtime.caller import Caller
from realtime.hooks import Hooks
from realtime.permissions import Permissions
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from realtime.topics.registry import NamespaceRegistry
from realtime.topics.registry import namespaces as registered


class RulesKit:
    """Of `namespaces`, or of all that the project's apps have registered. Nothing is kept of answers.

    Users are named as in tokens (`str(user.pk)`), "" is an anonymous client; `info` is the token's, as
    JSON. Plain rules run in Django's thread for such, so that they see what a TestCase has written.
    Each method raises CommandError 107 for a name that cannot be, 102 for a namespace that is not there.
    """

    def __init__(self, namespaces: Iterable[Namespace] | None = None) -> None:
        self._namespaces = registered
        if namespaces is not None:
            self._namespaces = NamespaceRegistry()
            for namespace in namespaces:
                self._namespaces.register(namespace)
        self._permissions = Permissions(hooks=Hooks(run_blocking=_run_blocking))

    async def may_subscribe(self, user: str, topic: str, *, info: bytes | None = None) -> bool:
        """Without a subscription token."""
        caller, name, namespace = self._who_and_where(user, topic, info)
        return await self._permissions.may_subscribe(caller, name, namespace)

    async def may_publish(
        self, user: str, topic: str, *, is_subscriber: bool = False, info: bytes | None = None
    ) -> bool:
        caller, name, namespace = self._who_and_where(user, topic, info)
        return await self._permissions.may_publish(caller, name, namespace, is_subscriber=is_subscriber)

    async def may_see_presence(
        self, user: str, topic: str, *, is_subscriber: bool = False, info: bytes | None = None
    ) -> bool:
        caller, name, namespace = self._who_and_where(user, topic, info)
        return await self._permissions.may_see_presence(caller, name, namespace, is_subscriber=is_subscriber)

    async def may_read_history(
        self, user: str, topic: str, *, is_subscriber: bool = False, info: bytes | None = None
    ) -> bool:
        caller, name, namespace = self._who_and_where(user, topic, info)
        return await self._permissions.may_read_history(caller, name, namespace, is_subscriber=is_subscriber)

    def _who_and_where(
        self, user: str, topic: str, info: bytes | None
    ) -> tuple[Caller, TopicName, Namespace]:
        name = TopicName.parse(topic)
        return Caller(user=user, client="test", info=info), name, self._namespaces.get_for(name)


async def _run_blocking(function: Callable[..., Any], *args: object) -> Any:
    return await sync_to_async(function)(*args)
