"""The kit that tests rules without a server: it answers as a session would be answered."""

from typing import Any

import pytest

from realtime.caller import Caller
from realtime.errors import CommandError, ErrorCode
from realtime.testing import RulesKit
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace


def plain(caller: Caller, topic: TopicName) -> bool:
    return f"{caller.user}@{topic.key}" == "7@red" and caller.info in (None, b'{"a":1}')


async def asynchronous(caller: Caller, topic: TopicName) -> bool:
    return plain(caller, topic)


RULES = {
    "can_subscribe": RulesKit.may_subscribe,
    "can_publish": RulesKit.may_publish,
    "can_see_presence": RulesKit.may_see_presence,
    "can_read_history": RulesKit.may_read_history,
}


@pytest.mark.parametrize("rule", [plain, asynchronous])
@pytest.mark.parametrize("name", RULES)
async def test_each_rule_is_asked_whether_plain_or_async(name: str, rule: Any) -> None:
    kit, ask = RulesKit([Namespace.from_options("team", {name: rule})]), RULES[name]

    assert await ask(kit, "7", "team:red")
    assert await ask(kit, "7", "team:red", info=b'{"a":1}')
    assert not await ask(kit, "7", "team:red", info=b'{"a":2}')
    assert not await ask(kit, "7", "team:blue")
    assert not await ask(kit, "", "team:red")


async def test_options_decide_where_there_is_no_rule() -> None:
    kit = RulesKit([Namespace(name="team", allow_publish_for_subscriber=True)])

    assert not await kit.may_subscribe("7", "team:red")
    assert not await kit.may_publish("7", "team:red")
    assert await kit.may_publish("7", "team:red", is_subscriber=True)


@pytest.mark.parametrize(
    ("topic", "code"), [("other:red", ErrorCode.UNKNOWN_TOPIC), ("", ErrorCode.BAD_REQUEST)]
)
async def test_a_topic_that_cannot_be_is_refused_as_to_a_client(topic: str, code: ErrorCode) -> None:
    with pytest.raises(CommandError) as caught:
        await RulesKit([Namespace(name="team")]).may_subscribe("7", topic)

    assert caught.value.code is code
