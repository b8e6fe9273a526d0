"""Tells the engine of the clubs' topics, and of the rows that their rules read."""

from django.apps import AppConfig
from django.contrib.auth import get_user_model

from realtime.caller import Caller
from realtime.revocation import recheck_on
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from realtime.topics.registry import namespaces


class ClubsConfig(AppConfig):
    name = "tests.end_to_end.clubs"
    label = "clubs"

    def ready(self) -> None:
        from tests.end_to_end.clubs.models import Membership  # noqa: PLC0415  # The models exist only now.

        def is_member(caller: Caller, topic: TopicName) -> bool:
            return Membership.objects.filter(user_id=caller.user, club__slug=topic.key).exists()

        namespaces.register(
            Namespace(
                name="club",
                history_size=10,
                history_ttl=60,
                force_recovery=True,
                presence=True,
                can_subscribe=is_member,
                can_publish=is_member,
                can_see_presence=is_member,
                can_read_history=is_member,
            )
        )
        recheck_on(
            Membership,
            namespaces=["club"],
            users=lambda membership: [membership.user_id],
            topics=lambda membership: [f"club:{membership.club.slug}"],
        )
        namespaces.register(Namespace(name="permitted", can_subscribe=has_permission))
        namespaces.register(Namespace(name="group", can_subscribe=is_in_group))
        namespaces.register(Namespace(name="flag", can_subscribe=has_flag))


async def has_permission(caller: Caller, topic: TopicName) -> bool:
    user = await get_user_model().objects.aget(pk=caller.user)
    return await user.ahas_perm(f"auth.{topic.key}")


def is_in_group(caller: Caller, topic: TopicName) -> bool:
    return get_user_model().objects.filter(pk=caller.user, groups__name=topic.key).exists()


def has_flag(caller: Caller, topic: TopicName) -> bool:
    return bool(getattr(get_user_model().objects.get(pk=caller.user), topic.key))
