"""Asks rules again whether subscriptions may stand, a few at a time, and ends those that may not.

An answer that does not come is asked for once more; then the subscription ends, too, with a code on
which SDKs subscribe again: who may still be there is back when the rule answers again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from realtime.caller import Caller
from realtime.errors import UnsubscribeCode
from realtime.orders import RuleChange
from realtime.permissions import Permissions
from realtime.subscription import State, Subscription
from realtime.topics.name import TopicName

logger = logging.getLogger(__name__)

# A rule is a query or two. One that takes longer hangs, and nothing is allowed by hanging.
ASK_TIMEOUT_SECONDS = 5
# Before the second and last attempt, where nothing else is to be asked meanwhile.
RETRY_SECONDS = 0.25
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """The topics whose rules may answer otherwise now; `is_all`: every one."""

    namespaces: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    is_all: bool = False

    @staticmethod
    def of(changes: Iterable[RuleChange]) -> "Scope":
        namespaces, topics, is_all = set(), set(), False
        for change in changes:
            if change.topic is not None:
                topics.add(change.topic)
            elif change.namespace is not None:
                namespaces.add(change.namespace)
            else:
                is_all = True
        return Scope(frozenset(namespaces), frozenset(topics), is_all)

    def covers(self, topic: TopicName) -> bool:
        return self.is_all or topic.namespace in self.namespaces or topic.text in self.topics


class Sleep(Protocol):
    def __call__(self, seconds: float, /) -> Awaitable[object]: ...


@dataclass(slots=True)
class _Recheck:
    caller: Caller
    end: Callable[[UnsubscribeCode], None]
    failures: int = 0


class Rechecks:
    """One for the process. A subscription that waits already waits once, however often its rule's rows
    change: there are never more waiting than subscriptions, and never more than `most_at_once` asked.
    """

    def __init__(
        self,
        *,
        permissions: Permissions,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        sleep: Sleep,
        most_at_once: int = 2,
    ) -> None:
        self._permissions = permissions
        self._spawn = spawn
        self._sleep = sleep
        self._most_at_once = most_at_once
        # In the order in which they are asked.
        self._waiting: dict[Subscription, _Recheck] = {}
        self._workers = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, subscription: Subscription, *, caller: Caller, end: Callable[[UnsubscribeCode], None]
    ) -> None:
        """Calls `end` some time later where the rules say no. On the loop that serves the sessions."""
        self._waiting.setdefault(subscription, _Recheck(caller, end))
        if self._workers < min(self._most_at_once, len(self._waiting)):
            self._workers += 1
            self._spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                subscription = next(iter(self._waiting))
                await self._recheck(subscription, self._waiting.pop(subscription))
        finally:
            self._workers -= 1

    async def _recheck(self, subscription: Subscription, recheck: _Recheck) -> None:
        if subscription.state is State.ENDED:
            return
        try:
            async with asyncio.timeout(ASK_TIMEOUT_SECONDS):
                code = await self._ask(subscription, recheck.caller)
        except Exception:  # The project's code may raise anything; TimeoutError is among it.
            logger.exception("a rule failed when asked again", extra={"topic": subscription.topic.text})
            await self._fail(subscription, recheck)
            return
        # Whatever changed while the rule was answering: the next answer is the one that counts.
        if code is not None and subscription not in self._waiting:
            recheck.end(code)

    async def _ask(self, subscription: Subscription, caller: Caller) -> UnsubscribeCode | None:
        permissions, topic, namespace = self._permissions, subscription.topic, subscription.namespace
        if not await permissions.may_subscribe(caller, topic, namespace):
            # SDKs do not subscribe again by themselves.
            return UnsubscribeCode.SERVER
        was_asked = subscription.wants_join_leave and not namespace.force_push_join_leave
        if was_asked and not await permissions.may_see_presence(caller, topic, namespace, is_subscriber=True):
            # It may be there without being told who comes and goes, which subscribing again comes to.
            return UnsubscribeCode.INSUFFICIENT_STATE
        return None

    async def _fail(self, subscription: Subscription, recheck: _Recheck) -> None:
        recheck.failures += 1
        if recheck.failures >= ATTEMPTS:
            recheck.end(UnsubscribeCode.INSUFFICIENT_STATE)
            return
        if not self._waiting:
            await self._sleep(RETRY_SECONDS)
        self._waiting.setdefault(subscription, recheck)
