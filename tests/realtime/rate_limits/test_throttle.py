"""Who is held to which limit, and what a client is told that is over it."""

from dataclasses import replace

import pytest

from realtime.errors import ErrorCode, TooManyRequests
from realtime.messages import Reply
from realtime.rate_limits.memory import MemoryRateLimiter
from realtime.rate_limits.rate import Rate
from realtime.rate_limits.rates import NO_RATES, Rates
from realtime.rate_limits.throttle import Throttle, network_of, whole_seconds
from realtime.testing import FakeClient, ManualClock, ManualNode
from realtime.topics.namespace import Namespace

TWO = Rate(1, period_seconds=10, burst=2)
NEWS = Namespace(
    name="news",
    allow_subscribe_for_client=True,
    allow_publish_for_client=True,
    allow_subscribe_for_anonymous=True,
    allow_publish_for_anonymous=True,
)


def only(**rates: Rate) -> Rates:
    return replace(NO_RATES, **rates)


def make_node(**rates: Rate) -> ManualNode:
    node = ManualNode(NEWS, rates=only(**rates), allows_anonymous=True)
    node.methods.register("echo")(lambda caller, data: data)
    return node


def error_of(reply: Reply | None) -> ErrorCode | None:
    assert reply is not None
    if reply.error is None:
        return None
    [code] = [each for each in ErrorCode if each == reply.error.code]
    assert (reply.error.message, reply.error.temporary) == (code.text, code.temporary)
    return code


async def publish(client: FakeClient) -> ErrorCode | None:
    return error_of(await client.publish("news:today", b"1"))


async def call(client: FakeClient) -> ErrorCode | None:
    return error_of(await client.rpc("echo", b"1"))


TOO_MANY = ErrorCode.TOO_MANY_REQUESTS


async def test_a_connection_publishes_at_its_rate() -> None:
    node = make_node(publish_per_connection=TWO)
    alice, again = await node.connect("alice"), await node.connect("alice")

    assert [await publish(alice) for _ in range(3)] == [None, None, TOO_MANY]
    assert await publish(again) is None
    node.clock.advance(10)
    assert [await publish(alice) for _ in range(2)] == [None, TOO_MANY]


async def test_a_publication_over_the_limit_reaches_nobody() -> None:
    node = make_node(publish_per_connection=TWO)
    alice, bob = await node.connect("alice"), await node.connect("bob")
    await bob.subscribe("news:today")

    for number in range(3):
        await alice.publish("news:today", b"%d" % number)
    node.scheduler.run()

    assert bob.received_data() == [b"0", b"1"]


async def test_all_connections_of_a_user_publish_at_one_rate() -> None:
    node = make_node(publish_per_user=TWO)
    alice, again, bob = [await node.connect(user) for user in ("alice", "alice", "bob")]

    assert [await publish(each) for each in (alice, again, alice, again)] == [None, None, TOO_MANY, TOO_MANY]
    assert await publish(bob) is None


async def test_anonymous_clients_are_no_user_together() -> None:
    node = make_node(publish_per_user=TWO, rpc_per_user=TWO, connect_per_user=TWO)
    clients = [await node.connect("") for _ in range(3)]

    assert [await publish(each) for each in clients] == [None] * 3
    assert [await call(each) for each in clients] == [None] * 3


async def test_calls_have_rates_of_their_own() -> None:
    node = make_node(rpc_per_connection=TWO)
    alice = await node.connect("alice")

    assert [await call(alice) for _ in range(3)] == [None, None, TOO_MANY]
    assert await publish(alice) is None


async def test_all_connections_of_a_user_call_at_one_rate() -> None:
    node = make_node(rpc_per_user=TWO)
    alice, again = await node.connect("alice"), await node.connect("alice")

    assert [await call(each) for each in (alice, again, alice)] == [None, None, TOO_MANY]


async def test_a_message_without_an_answer_counts_as_a_call_and_is_left_out() -> None:
    node = make_node(rpc_per_connection=TWO)
    received: list[object] = []
    node.methods.on_message(lambda caller, data: received.append(data))
    alice = await node.connect("alice")

    for number in range(4):
        await alice.send(b"%d" % number)

    assert len(received) == 2
    assert alice.close_code is None


async def test_commands_of_any_kind_count_connect_too() -> None:
    node = make_node(commands_per_connection=Rate(1, period_seconds=10, burst=3))
    alice = await node.connect("alice")

    assert error_of(await alice.subscribe("news:today")) is None
    assert error_of(await alice.unsubscribe("news:today")) is None
    assert error_of(await alice.subscribe("news:today")) is TOO_MANY
    assert await publish(alice) is TOO_MANY


async def test_a_user_connects_at_a_rate_and_may_try_again_on_the_same_socket() -> None:
    node = make_node(connect_per_user=TWO)
    await node.connect("alice")
    await node.connect("alice")
    alice = node.open()

    assert error_of(await alice.connect(node.token("alice"))) is TOO_MANY
    node.clock.advance(9)
    assert error_of(await alice.connect(node.token("alice"))) is TOO_MANY
    node.clock.advance(1)
    assert error_of(await alice.connect(node.token("alice"))) is None
    assert error_of(await node.open().connect(node.token("bob"))) is None


async def test_a_connection_without_a_command_keeps_no_past() -> None:
    assert make_node(commands_per_connection=TWO).open().session._meters is None


async def test_what_is_off_counts_nothing() -> None:
    node = make_node()
    alice = await node.connect("alice")

    assert {await publish(alice) for _ in range(5000)} == {None}


def make_throttle(**rates: Rate) -> Throttle:
    clock = ManualClock()
    return Throttle(only(**rates), limiter=MemoryRateLimiter(clock=clock), clock=clock)


async def test_an_address_connects_at_a_rate_and_so_does_an_ipv6_network() -> None:
    throttle = make_throttle(connect_per_ip=TWO)

    assert [await throttle.connect_from("192.0.2.1") for _ in range(3)] == [0, 0, 10]
    assert await throttle.connect_from("192.0.2.2") == 0
    waits = [await throttle.connect_from(f"2001:db8::{number}") for number in range(3)]
    assert waits == [0, 0, 10]
    assert await throttle.connect_from("2001:db8:0:1::1") == 0


async def test_requests_count_by_all_that_is_known_of_their_sender() -> None:
    throttle = make_throttle(http_per_ip=TWO, http_per_user=TWO, http_per_api_key=TWO)

    async def ask(known: str) -> None:
        match known:
            case "host":
                await throttle.http(host="192.0.2.1")
            case "user":
                await throttle.http(user="1")
            case _:
                await throttle.http(api_key="1")

    for known in ("host", "user", "api_key"):
        await ask(known)
        await ask(known)
        with pytest.raises(TooManyRequests) as refusal:
            await ask(known)
        assert refusal.value.wait_seconds == 10


async def test_a_batch_over_the_burst_passes_after_a_rest() -> None:
    throttle = make_throttle(http_per_api_key=TWO)

    await throttle.http(api_key="1", cost=1000)

    with pytest.raises(TooManyRequests):
        await throttle.http(api_key="1")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("a:b", "a:b"),
        ("unix", "unix"),
    ],
)
def test_one_sender_is_an_address_or_a_network_of_ipv6(host: str, network: str) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize(("wait", "seconds"), [(0.001, 1), (1, 1), (1.001, 2), (60, 60)])
def test_retry_after_is_in_whole_seconds_and_never_too_early(wait: float, seconds: int) -> None:
    assert whole_seconds(wait) == seconds
