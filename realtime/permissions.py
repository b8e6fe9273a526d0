"""Who may do what in a topic: the namespace's options and hooks, put together. Deny by default.

A namespace's own hook decides alone where it has one; its options decide otherwise.
"""

from typing import NamedTuple

from realtime.answers import Answers
from realtime.caller import Caller
from realtime.hooks import Hooks
from realtime.topics.name import TopicName
from realtime.topics.namespace import Grants, Namespace, Rule


class Question(NamedTuple):
    """What a namespace says of one action: a rule in Python, which decides alone; else options."""

    name: str
    rule: Rule | None
    grants: Grants


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

    async def may_be_given_token(self, caller: Caller, topic: TopicName, namespace: Namespace) -> bool:
        """Whether the site hands out a subscription token, which then opens the topic unasked.

        Private topics have no other way in: they need a rule in Python, not an option for everybody.
        """
        if not topic.is_private:
            return await self.may_subscribe(caller, topic, namespace)
        if topic.users is not None and caller.user not in topic.users:
            return False
        return namespace.can_subscribe is not None and bool(
            await self._hooks.call(namespace.can_subscribe, caller, topic)
        )

    async def may_publish(
        self,
        caller: Caller,
        topic: TopicName,
        namespace: Namespace,
        *,
        is_subscriber: bool,
        answers: Answers | None = None,
    ) -> bool:
        """`answers` are those that the session was given a moment ago; None: ask anew. So below, too."""
        question = Question("can_publish", namespace.can_publish, namespace.publish_grants)
        return await self._may(question, caller, topic, is_subscriber=is_subscriber, answers=answers)

    async def may_see_presence(
        self,
        caller: Caller,
        topic: TopicName,
        namespace: Namespace,
        *,
        is_subscriber: bool,
        answers: Answers | None = None,
    ) -> bool:
        """Who is in the topic, and who comes and goes."""
        question = Question("can_see_presence", namespace.can_see_presence, namespace.presence_grants)
        return await self._may(question, caller, topic, is_subscriber=is_subscriber, answers=answers)

    async def may_read_history(
        self,
        caller: Caller,
        topic: TopicName,
        namespace: Namespace,
        *,
        is_subscriber: bool,
        answers: Answers | None = None,
    ) -> bool:
        """What was published before, by asking for it or by recovering it."""
        question = Question("can_read_history", namespace.can_read_history, namespace.history_grants)
        return await self._may(question, caller, topic, is_subscriber=is_subscriber, answers=answers)

    async def _may(
        self,
        question: Question,
        caller: Caller,
        topic: TopicName,
        *,
        is_subscriber: bool,
        answers: Answers | None,
    ) -> bool:
        rule = question.rule
        if self.is_insecure:
            return True
        if rule is None:
            return _is_granted(caller, topic, question.grants, is_subscriber=is_subscriber)

        async def ask() -> bool:
            return bool(await self._hooks.call(rule, caller, topic))

        return await (ask() if answers is None else answers.get(question.name, topic, ask))


def _is_granted(caller: Caller, topic: TopicName, grants: Grants, *, is_subscriber: bool) -> bool:
    if grants.subscriber and is_subscriber:
        return True
    if topic.is_private or (topic.users is not None and caller.user not in topic.users):
        return False
    return grants.client and (not caller.is_anonymous or grants.anonymous)
