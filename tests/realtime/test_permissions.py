"""Who may do what, as a table: each option with each kind of caller and topic, and the hooks."""

import itertools
from typing import Any

import pytest

from realtime.caller import Caller
from realtime.hooks import Hooks
from realtime.permissions import Permissions
from realtime.testing.node import run_at_once
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace

ALICE, BOB, NOBODY = Caller(user="alice", client="1"), Caller(user="bob", client="2"), Caller("", "3")
PLAIN, PRIVATE, OF_ALICE, OF_NOBODY = map(
    TopicName.parse, ["chat:lobby", "$chat:lobby", "chat:dialog#alice", "chat:dialog#"]
)

permissions = Permissions(hooks=Hooks(run_blocking=run_at_once))
insecure = Permissions(hooks=Hooks(run_blocking=run_at_once), is_insecure=True)


def yes(caller: Caller, topic: TopicName) -> bool:
    return bool(topic.text) and bool(caller.client)


async def no(caller: Caller, topic: TopicName) -> bool:
    return not yes(caller, topic)


def namespace(*options: str, **hooks: Any) -> Namespace:
    return Namespace.from_options("chat", {**dict.fromkeys(options, True), **hooks})


CLIENT, ANONYMOUS, LIMITED = (
    "allow_subscribe_for_client",
    "allow_subscribe_for_anonymous",
    "allow_user_limited_channels",
)


@pytest.mark.parametrize(
    ("options", "caller", "topic", "may"),
    [
        ([], ALICE, PLAIN, False),
        ([CLIENT], ALICE, PLAIN, True),
        ([CLIENT], NOBODY, PLAIN, False),
        ([ANONYMOUS], NOBODY, PLAIN, False),
        ([ANONYMOUS], ALICE, PLAIN, False),
        ([CLIENT, ANONYMOUS], NOBODY, PLAIN, True),
        ([CLIENT, ANONYMOUS, LIMITED], ALICE, PRIVATE, False),
        ([CLIENT, ANONYMOUS], ALICE, OF_ALICE, False),
        ([LIMITED], ALICE, OF_ALICE, True),
        ([LIMITED, CLIENT, ANONYMOUS], BOB, OF_ALICE, False),
        ([LIMITED, CLIENT, ANONYMOUS], NOBODY, OF_ALICE, False),
        ([LIMITED, CLIENT, ANONYMOUS], NOBODY, OF_NOBODY, False),
    ],
)
async def test_subscribing_is_allowed_as_the_options_say(
    options: list[str], caller: Caller, topic: TopicName, may: bool
) -> None:
    assert await permissions.may_subscribe(caller, topic, namespace(*options)) is may


@pytest.mark.parametrize(
    ("hook", "topic", "caller", "may"),
    [
        (yes, PLAIN, ALICE, True),
        (yes, PLAIN, NOBODY, True),
        (no, PLAIN, ALICE, False),
        # The name itself says who may: no hook opens it to others.
        (yes, PRIVATE, ALICE, False),
        (yes, OF_ALICE, BOB, False),
        (no, OF_ALICE, ALICE, True),
    ],
)
async def test_a_subscribe_hook_decides_alone_where_the_name_does_not(
    hook: Any, topic: TopicName, caller: Caller, may: bool
) -> None:
    options = namespace(CLIENT, ANONYMOUS, LIMITED, can_subscribe=hook)

    assert await permissions.may_subscribe(caller, topic, options) is may


# Rights that have the same three options: what is asked, and what each caller gets.
RIGHTS = ["publish", "presence", "history"]
TABLE = [
    # for whom                     caller  topic     subscribed  may
    ([], ALICE, PLAIN, True, False),
    (["client"], ALICE, PLAIN, False, True),
    (["client"], NOBODY, PLAIN, False, False),
    (["client"], NOBODY, PLAIN, True, False),
    (["anonymous"], NOBODY, PLAIN, True, False),
    (["client", "anonymous"], NOBODY, PLAIN, False, True),
    (["subscriber"], ALICE, PLAIN, False, False),
    (["subscriber"], ALICE, PLAIN, True, True),
    (["subscriber"], NOBODY, PLAIN, True, True),
    (["client", "anonymous"], ALICE, PRIVATE, False, False),
    (["client", "anonymous"], ALICE, PRIVATE, True, False),
    (["subscriber"], ALICE, PRIVATE, True, True),
    (["client", "anonymous"], BOB, OF_ALICE, False, False),
    (["client", "anonymous"], NOBODY, OF_ALICE, False, False),
    (["client", "anonymous"], NOBODY, OF_NOBODY, False, False),
    (["client"], ALICE, OF_ALICE, False, True),
    (["subscriber"], BOB, OF_ALICE, True, True),
]


async def may(
    who: Permissions, right: str, caller: Caller, topic: TopicName, options: Namespace, *, is_subscriber: bool
) -> bool:
    match right:
        case "publish":
            return await who.may_publish(caller, topic, options, is_subscriber=is_subscriber)
        case "presence":
            return await who.may_see_presence(caller, topic, options, is_subscriber=is_subscriber)
        case _:
            return await who.may_read_history(caller, topic, options, is_subscriber=is_subscriber)


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("case", TABLE)
async def test_publishing_and_looking_are_allowed_as_the_options_say(
    right: str, case: tuple[list[str], Caller, TopicName, bool, bool]
) -> None:
    whom, caller, topic, is_subscriber, expected = case
    options = namespace(*(f"allow_{right}_for_{each}" for each in whom))

    assert await may(permissions, right, caller, topic, options, is_subscriber=is_subscriber) is expected


@pytest.mark.parametrize(("asked", "other"), list(itertools.permutations(RIGHTS, 2)))
async def test_one_right_does_not_give_another(asked: str, other: str) -> None:
    options = namespace(*(f"allow_{other}_for_{whom}" for whom in ("client", "subscriber", "anonymous")))

    assert not await may(permissions, asked, ALICE, PLAIN, options, is_subscriber=True)


HOOK_OF = {"publish": "can_publish", "presence": "can_see_presence", "history": "can_read_history"}


@pytest.mark.parametrize("is_subscriber", [True, False])
@pytest.mark.parametrize("right", RIGHTS)
async def test_a_hook_decides_alone(right: str, is_subscriber: bool) -> None:
    opened = namespace(
        *(f"allow_{right}_for_{each}" for each in ("client", "subscriber", "anonymous")),
        **{HOOK_OF[right]: no},
    )
    closed = namespace(**{HOOK_OF[right]: yes})

    assert not await may(permissions, right, ALICE, PLAIN, opened, is_subscriber=is_subscriber)
    assert await may(permissions, right, NOBODY, PLAIN, closed, is_subscriber=is_subscriber)


@pytest.mark.parametrize(("asked", "other"), list(itertools.permutations(RIGHTS, 2)))
async def test_a_hook_of_one_right_does_not_give_another(asked: str, other: str) -> None:
    options = namespace(**{HOOK_OF[other]: yes})

    assert not await may(permissions, asked, ALICE, PLAIN, options, is_subscriber=True)


@pytest.mark.parametrize("topic", [PLAIN, PRIVATE, OF_ALICE])
async def test_the_insecure_mode_opens_everything(topic: TopicName) -> None:
    closed = namespace(can_subscribe=no, can_publish=no, can_see_presence=no, can_read_history=no)

    assert await insecure.may_subscribe(NOBODY, topic, closed)
    for right in RIGHTS:
        assert await may(insecure, right, NOBODY, topic, closed, is_subscriber=False)
