"""What a rule reads has changed: subscriptions end that it no longer allows, and no others."""

import asyncio
from collections.abc import Callable

import pytest

from realtime.answers import MAX_ANSWERS, NO_SECONDS, YES_SECONDS, Answers
from realtime.caller import Caller
from realtime.errors import UnsubscribeCode
from realtime.messages import Reply, Unsubscribed
from realtime.orders import RuleChange
from realtime.rechecks import ASK_TIMEOUT_SECONDS, Scope
from realtime.testing import FakeClient, ManualClock, ManualNode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.realtime.replies import error_of
from tests.waiting import until

ALL = Scope(is_all=True)
TEAM, OTHER = Scope(namespaces=frozenset({"team"})), Scope(namespaces=frozenset({"other"}))


class Memberships:
    """The rows: a rule that reads them, counts how often it was asked, and may wait or fail."""

    def __init__(self, *members: str) -> None:
        self.members = set(members)
        self.asked = 0
        self.failures = 0
        self.gate: asyncio.Event | None = None
        self.at_once = self.most_at_once = 0

    async def allows(self, caller: Caller, topic: TopicName) -> bool:
        self.asked += 1
        answer = f"{caller.user}@{topic.key}" in self.members
        if self.failures:
            self.failures -= 1
            raise RuntimeError("as the test wants it")
        if self.gate is not None:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            try:
                await self.gate.wait()
            finally:
                self.at_once -= 1
        return answer


def team(rows: Memberships, **options: bool) -> Namespace:
    return Namespace(name="team", can_subscribe=rows.allows, **options)  # type: ignore[arg-type]  # Flags only.


async def settle(node: ManualNode, *clients: FakeClient) -> None:
    """Until nothing is being asked any more, and the clients were told what came of it."""
    while node.tasks:
        await asyncio.gather(*node.tasks)
    for client in clients:
        await client.connection.run_jobs()


def ends_of(client: FakeClient) -> list[tuple[str, int]]:
    return [(push.channel, push.unsubscribe.code) for push in client.pushes if push.unsubscribe]


async def test_a_subscription_that_the_rule_no_longer_allows_ends() -> None:
    rows = Memberships("7@red", "7@blue")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")
    await client.subscribe("team:blue")

    rows.members.discard("7@red")
    client.session.recheck(TEAM)
    await settle(node, client)

    [push] = client.pushes
    assert push.unsubscribe == Unsubscribed(UnsubscribeCode.SERVER, "server unsubscribe")
    assert not UnsubscribeCode.SERVER.resubscribes
    assert client.session.topics == ["team:blue"]


@pytest.mark.parametrize(
    ("scope", "is_asked"),
    [
        (ALL, True),
        (TEAM, True),
        (OTHER, False),
        (Scope(topics=frozenset({"team:red"})), True),
        (Scope(topics=frozenset({"team:blue"})), False),
        (Scope.of([RuleChange(topic="team:red", namespace="team")]), True),
        (Scope.of([RuleChange(topic="team:blue", namespace="team")]), False),
        (Scope.of([RuleChange(topic="team:blue"), RuleChange(namespace="team")]), True),
        (Scope.of([RuleChange(user="7")]), True),
        (Scope.of([]), False),
    ],
)
async def test_a_rule_is_asked_again_for_what_the_change_names(scope: Scope, is_asked: bool) -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")

    rows.members.clear()
    client.session.recheck(scope)
    await settle(node, client)

    assert bool(ends_of(client)) is is_asked


async def test_what_a_token_or_the_server_opened_stands_whatever_the_rule_says() -> None:
    rows = Memberships()
    node = ManualNode(team(rows))
    client = await node.connect("7")
    token = node.tokens.subscription(user="7", topic="team:red", ttl_seconds=60)
    await client.subscribe("team:red", token=token)
    client.session.subscribe("team:blue")
    await client.connection.run_jobs()

    client.session.recheck(ALL)
    await settle(node, client)

    assert ends_of(client) == []
    assert rows.asked == 0


async def test_a_refused_client_that_is_then_allowed_gets_in_at_once() -> None:
    rows = Memberships()
    node = ManualNode(team(rows))
    client = await node.connect("7")
    assert error_of(await client.subscribe("team:red")) == 103

    rows.members.add("7@red")

    assert passed(await client.subscribe("team:red"))


async def test_a_change_while_the_rule_is_answering_a_subscribe_is_not_missed() -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    rows.gate = asyncio.Event()
    subscribing = asyncio.create_task(client.subscribe("team:red"))
    await until(lambda: rows.asked == 1)

    # It has read the row that is gone now, and says yes.
    rows.members.clear()
    client.session.recheck(ALL)
    rows.gate.set()
    assert passed(await subscribing)
    await settle(node, client)

    assert ends_of(client) == [("team:red", 2000)]


async def test_a_subscription_that_began_anew_does_not_end_for_the_old_one() -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")
    rows.members.clear()
    client.session.recheck(ALL)
    while node.tasks:
        await asyncio.gather(*node.tasks)

    rows.members.add("7@red")
    await client.unsubscribe("team:red")
    await client.subscribe("team:red")
    await client.connection.run_jobs()

    assert ends_of(client) == []


async def test_the_answer_after_the_last_change_counts() -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")
    rows.gate = asyncio.Event()

    rows.members.clear()
    client.session.recheck(ALL)
    await until(lambda: rows.asked == 2)
    rows.members.add("7@red")
    client.session.recheck(ALL)
    rows.gate.set()
    await settle(node, client)

    assert ends_of(client) == []


async def test_many_changes_ask_once_and_few_rules_are_asked_at_once() -> None:
    rows = Memberships(*(f"{number}@red" for number in range(50)))
    node = ManualNode(team(rows))
    clients = [await node.connect(str(number)) for number in range(50)]
    for client in clients:
        await client.subscribe("team:red")
    rows.members.clear()
    rows.asked, rows.gate = 0, asyncio.Event()

    for _ in range(20):
        for client in clients:
            client.session.recheck(ALL)
    rows.gate.set()
    await settle(node, *clients)

    assert rows.most_at_once <= 2
    assert rows.asked == 50
    assert all(ends_of(client) == [("team:red", 2000)] for client in clients)
    assert len(node.node.rechecks) == 0


async def test_a_rule_that_fails_once_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")

    rows.failures = 1
    client.session.recheck(ALL)
    await wake_until(node, lambda: not node.tasks)
    await settle(node, client)

    assert ends_of(client) == []
    assert rows.asked == 3
    assert "a rule failed when asked again" in caplog.text


async def test_a_rule_that_goes_on_failing_lets_nobody_stay_and_sdks_may_come_back() -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")

    rows.failures = 2
    client.session.recheck(ALL)
    await wake_until(node, lambda: not node.tasks)
    await settle(node, client)

    assert ends_of(client) == [("team:red", 2500)]
    assert UnsubscribeCode.INSUFFICIENT_STATE.resubscribes
    assert passed(await client.subscribe("team:red"))


async def test_a_rule_that_hangs_lets_nobody_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ASK_TIMEOUT_SECONDS <= 10
    monkeypatch.setattr("realtime.rechecks.ASK_TIMEOUT_SECONDS", 0.01)
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")

    rows.gate = asyncio.Event()
    client.session.recheck(ALL)
    await wake_until(node, lambda: not node.tasks)
    await client.connection.run_jobs()

    assert ends_of(client) == [("team:red", 2500)]


async def test_who_may_no_longer_see_who_is_there_is_subscribed_anew_without_it() -> None:
    rows, seers = Memberships("7@red"), Memberships("7@red")
    node = ManualNode(
        Namespace(name="team", join_leave=True, can_subscribe=rows.allows, can_see_presence=seers.allows)
    )
    client = await node.connect("7")
    await client.subscribe("team:red", join_leave=True)

    seers.members.clear()
    client.session.recheck(ALL)
    await settle(node, client)

    assert ends_of(client) == [("team:red", 2500)]
    await client.subscribe("team:red", join_leave=True)
    await settle(node, client)
    client.connection.received.clear()
    other = await node.connect("8")
    rows.members.add("8@red")
    await other.subscribe("team:red")
    node.scheduler.run()
    assert client.pushes == []


async def test_nothing_is_asked_for_a_client_that_has_left() -> None:
    rows = Memberships("7@red")
    node = ManualNode(team(rows))
    client = await node.connect("7")
    await client.subscribe("team:red")

    client.session.recheck(ALL)
    await client.leave()
    await settle(node)

    assert rows.asked == 1
    assert node.count_left_behind() == {}


def passed(reply: Reply | None) -> bool:
    return reply is not None and reply.error is None


async def wake_until(node: ManualNode, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await node.advance(1)
            await asyncio.sleep(0.001)


# ── What is kept of answers ───────────────────────────────────────────────────────────────────


class Rule:
    def __init__(self, *, answer: bool) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.answer


RED = TopicName.parse("team:red")


@pytest.mark.parametrize(("answer", "seconds"), [(True, YES_SECONDS), (False, NO_SECONDS)])
async def test_an_answer_holds_for_some_seconds(answer: bool, seconds: float) -> None:
    clock = ManualClock()
    answers, rule = Answers(clock), Rule(answer=answer)

    for pause in (0, seconds / 2, seconds / 2):
        clock.advance(pause)
        assert await answers.get("can_publish", RED, rule) is answer

    assert rule.asked == 2


async def test_each_rule_and_each_topic_has_its_own_answer() -> None:
    answers, rule = Answers(ManualClock()), Rule(answer=True)

    for name in ("can_publish", "can_see_presence"):
        for key in ("red", "blue"):
            await answers.get(name, TopicName.parse(f"team:{key}"), rule)

    assert rule.asked == 4


async def test_a_change_drops_the_answers_also_those_under_way() -> None:
    answers, rule = Answers(ManualClock()), Rule(answer=True)

    async def ask_during_a_change() -> bool:
        answers.forget()
        return True

    await answers.get("can_publish", RED, ask_during_a_change)
    await answers.get("can_publish", RED, rule)
    answers.forget()
    await answers.get("can_publish", RED, rule)

    assert rule.asked == 2


async def test_answers_do_not_grow_without_end() -> None:
    answers, rule = Answers(ManualClock()), Rule(answer=True)

    for number in range(3 * MAX_ANSWERS):
        await answers.get("can_publish", TopicName.parse(f"team:{number}"), rule)

    assert len(answers) == MAX_ANSWERS


async def test_a_publish_rule_is_not_asked_for_each_publication_and_a_change_is_noticed_at_once() -> None:
    rows = Memberships("7@red")
    node = ManualNode(Namespace(name="team", can_publish=rows.allows))
    client = await node.connect("7")

    for _ in range(10):
        assert passed(await client.publish("team:red", b"1"))
    asked = rows.asked
    rows.members.clear()
    client.session.recheck(ALL)

    assert asked == 1
    assert error_of(await client.publish("team:red", b"1")) == 103
    rows.members.add("7@red")
    client.session.recheck(ALL)
    assert passed(await client.publish("team:red", b"1"))
