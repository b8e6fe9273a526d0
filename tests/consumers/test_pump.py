"""The pump: events in, messages out, and all that may go wrong in between."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumers.pump import Pump, refuse
from realtime.caller import Caller
from realtime.limits import Limits
from realtime.testing import ManualNode
from realtime.topics.name import TopicName
from realtime.topics.namespace import Namespace
from tests.consumers.sockets import CODEC, FakeSend, FakeWriter, scope_with
from tests.realtime.layers import settle
from tests.waiting import until

LIMITS = Limits(
    max_message_bytes=2_000, max_waiting_commands=4, max_concurrent_rpcs=3, slow_client_bytes=65_536
)


class Client:
    """The other end of a pump's ASGI connection; `run` is the pump's task."""

    def __init__(self, node: ManualNode, *, is_direct: bool = False) -> None:
        self.node = node
        self.writer = FakeWriter() if is_direct else None
        self.asgi = FakeSend()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.pump = Pump(
            node=node.node,
            codec=CODEC,
            scope=scope_with(self.writer),
            receive=self._events.get,
            send=self.asgi,
        )
        self.run = asyncio.create_task(self.pump.run(None))
        self._events.put_nowait({"type": "websocket.connect"})

    def say(self, *commands: dict[str, Any]) -> None:
        self.say_text("\n".join(map(json.dumps, commands)))

    def say_text(self, text: str) -> None:
        self._events.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1005})

    @property
    def unread(self) -> int:
        """Events that the pump has not taken yet: what makes TCP push back."""
        return self._events.qsize()

    def messages(self) -> list[Any]:
        return self.writer.messages() if self.writer else self.asgi.messages()

    def ids(self) -> list[int]:
        return [message["id"] for message in self.messages() if "id" in message]

    @property
    def close_code(self) -> int | None:
        return self.writer.close_code if self.writer else self.asgi.close_code

    async def connect(self) -> "Client":
        self.say({"id": 1, "connect": {"token": self.node.token("42")}})
        await settle()
        return self


class Gate:
    """A hook that waits until it is let go on."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.entered = 0

    async def __call__(self, *args: object) -> bool:
        self.entered += 1
        await self.may_go_on.wait()
        return True


class Stage:
    """A node whose namespace has a gate, and the clients that the test has made."""

    def __init__(self) -> None:
        self.gate = gate = Gate()

        async def can_subscribe(caller: Caller, topic: TopicName) -> bool:
            return topic.key != "gated" or await gate(caller)

        self.node = ManualNode(
            Namespace(
                name="",
                history_size=10,
                history_ttl=60,
                presence=True,
                can_subscribe=can_subscribe,
                allow_publish_for_client=True,
            ),
            limits=LIMITS,
        )
        # The pump sets the loop's timers by the node's clock: both tell the same time, and the
        # node's then stands still.
        self.node.clock.advance(asyncio.get_running_loop().time())
        self.clients: list[Client] = []

        @self.node.methods.register("gated")
        async def gated(caller: Caller, data: bytes) -> bytes:
            await gate(caller)
            return data

    def client(self, *, is_direct: bool = False) -> Client:
        client = Client(self.node, is_direct=is_direct)
        self.clients.append(client)
        return client


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """At its end every client has hung up and nothing is left behind."""
    stage = Stage()
    yield stage
    stage.gate.may_go_on.set()
    for client in stage.clients:
        client.asgi.read_on()
        client.hang_up()
    await asyncio.gather(*(client.run for client in stage.clients), return_exceptions=True)
    stage.node.scheduler.run()
    assert stage.node.count_left_behind() == {}
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def subscribe(number: int, topic: str) -> dict[str, Any]:
    return {"id": number, "subscribe": {"channel": topic}}


def publish(number: int, topic: str = "a") -> dict[str, Any]:
    return {"id": number, "publish": {"channel": topic, "data": number}}


both = pytest.mark.parametrize("is_direct", [True, False])


# ── Commands ──────────────────────────────────────────────────────────────────────────────────


@both
async def test_commands_are_answered_in_their_order(stage: Stage, is_direct: bool) -> None:
    client = stage.client(is_direct=is_direct)
    client.say({"id": 1, "connect": {"token": stage.node.token("42")}}, subscribe(2, "a"))
    client.say(publish(3), publish(4))
    client.say({"id": 5, "unsubscribe": {"channel": "a"}}, {"id": 6})
    await settle()

    assert client.ids() == [1, 2, 3, 4, 5, 6]
    assert client.asgi.events[0] == {"type": "websocket.accept", "subprotocol": None}


@both
async def test_publications_reach_the_client(stage: Stage, is_direct: bool) -> None:
    client = await stage.client(is_direct=is_direct).connect()
    client.say(subscribe(2, "a"))
    await settle()

    await stage.node.publish("a", b'{"text":"hi"}')
    await settle()

    assert client.messages()[-1]["push"]["pub"]["data"] == {"text": "hi"}


async def test_a_slow_command_holds_up_those_behind_it_and_no_pong(stage: Stage) -> None:
    client = await stage.client().connect()
    await stage.node.advance(0)
    client.say(subscribe(2, "gated"), publish(3))
    await settle()
    assert client.ids() == [1]

    session = client.pump._session
    stage.node.clock.advance(25)
    session.tick()
    client.say({})
    await settle()
    stage.node.clock.advance(8)
    session.tick()

    assert client.close_code is None
    stage.gate.may_go_on.set()
    await settle()
    assert client.ids() == [1, 2, 3]


async def test_a_slow_command_holds_up_no_other_client(stage: Stage) -> None:
    slow, quick = await stage.client().connect(), await stage.client().connect()
    slow.say(subscribe(2, "gated"))
    await settle()

    quick.say(publish(2))
    await settle()

    assert (slow.ids(), quick.ids()) == ([1], [1, 2])


async def test_calls_run_beside_each_other_up_to_a_bound(stage: Stage) -> None:
    client = await stage.client().connect()
    for number in range(2, 8):
        client.say({"id": number, "rpc": {"method": "gated", "data": number}})
    await settle()

    assert stage.gate.entered == LIMITS.max_concurrent_rpcs
    stage.gate.may_go_on.set()
    await settle()
    assert sorted(client.ids()) == [1, 2, 3, 4, 5, 6, 7]
    assert stage.gate.entered == 6


async def test_a_slow_call_holds_up_no_command(stage: Stage) -> None:
    client = await stage.client().connect()

    client.say({"id": 2, "rpc": {"method": "gated"}}, publish(3))
    await settle()

    assert client.ids() == [1, 3]


async def test_the_socket_is_not_read_while_too_many_commands_wait(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "gated"))
    for number in range(3, 20):
        client.say(publish(number))
    await settle()
    unread = client.unread

    stage.gate.may_go_on.set()
    await settle()

    assert unread >= 17 - LIMITS.max_waiting_commands
    assert (client.unread, client.ids()) == (0, list(range(1, 20)))


async def test_one_message_with_very_many_commands_is_bounded_too(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "gated"), *({"id": number} for number in range(3, 60)))
    await settle()

    assert client.pump._jobs is not None
    assert len(client.pump._jobs) <= LIMITS.max_waiting_commands
    stage.gate.may_go_on.set()
    await until(lambda: len(client.ids()) == 59)
    assert client.ids() == list(range(1, 60))


async def test_what_the_server_does_to_a_session_waits_its_turn(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "gated"))
    await settle()

    client.pump._session.unsubscribe("gated")
    stage.gate.may_go_on.set()
    await settle()

    connected, subscribed, told = client.messages()
    assert (connected["id"], subscribed["id"]) == (1, 2)
    assert told["push"]["unsubscribe"]["code"] == 2000


async def test_an_action_of_the_server_that_fails_ends_nothing(stage: Stage) -> None:
    client = await stage.client().connect()

    async def fail() -> None:
        raise ZeroDivisionError

    client.pump.submit(fail)
    client.say(publish(2))
    await settle()

    assert client.ids() == [1, 2]


# ── What is malformed ─────────────────────────────────────────────────────────────────────────


@both
@pytest.mark.parametrize("text", ["{", '{"id":1,"publish":{}}', "[]"])
async def test_a_message_that_makes_no_sense_closes_the_connection(
    stage: Stage, text: str, is_direct: bool
) -> None:
    client = stage.client(is_direct=is_direct)

    client.say_text(text)
    await settle()

    assert client.close_code == 3501


@pytest.mark.parametrize(("is_direct", "code"), [(True, 1009), (False, 3501)])
@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
async def test_a_message_that_is_too_large_closes_the_connection(
    stage: Stage, letter: str, is_direct: bool, code: int
) -> None:
    client = await stage.client(is_direct=is_direct).connect()
    frame = '{"id":2,"rpc":{"method":"gated","data":""}}'
    room = (LIMITS.max_message_bytes - len(frame)) // len(letter.encode())

    client.say_text(frame.replace('""', f'"{letter * room}"'))
    await settle()
    assert client.close_code is None

    client.say_text(frame.replace('""', f'"{letter * (room + 1)}"'))
    await settle()
    assert client.close_code == code


async def test_nothing_is_taken_from_a_client_that_was_closed(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say_text("{")
    client.say(publish(2))
    await settle()

    assert client.ids() == [1]
    assert stage.node.memory._logs == {}


async def test_bytes_are_read_as_text_is(stage: Stage) -> None:
    client = await stage.client().connect()

    client._events.put_nowait({"type": "websocket.receive", "bytes": json.dumps(publish(2)).encode()})
    await settle()

    assert client.ids() == [1, 2]


# ── The end ───────────────────────────────────────────────────────────────────────────────────


async def test_commands_that_had_arrived_are_carried_out_after_the_client_is_gone(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "gated"))
    client.say(publish(3), {"id": 4, "rpc": {"method": "gated"}})
    client.hang_up()
    await settle()
    assert not client.run.done()

    stage.gate.may_go_on.set()
    await client.run

    assert stage.node.memory._logs["a"].offset == 1
    assert stage.gate.entered == 2
    assert client.ids() == [1]
    assert stage.node.count_left_behind() == {}


async def test_a_server_that_waits_no_longer_cancels_what_is_under_way(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "b"), subscribe(3, "gated"), {"id": 4, "rpc": {"method": "gated"}})
    client.hang_up()
    await settle()

    client.run.cancel()
    await asyncio.wait([client.run])

    assert client.run.cancelled()
    assert stage.node.count_left_behind() == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_pump_that_is_cancelled_while_it_reads_cleans_up(stage: Stage) -> None:
    client = await stage.client().connect()
    client.say(subscribe(2, "a"))
    await settle()

    client.run.cancel()
    await asyncio.wait([client.run])

    assert stage.node.count_left_behind() == {}


async def test_a_client_that_hangs_up_before_it_connects_leaves_nothing(stage: Stage) -> None:
    client = stage.client()
    client.hang_up()

    await client.run

    assert stage.node.count_left_behind() == {}


async def test_a_socket_that_never_opened_has_no_session(stage: Stage) -> None:
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    events.put_nowait({"type": "websocket.disconnect", "code": 1006})
    pump = Pump(node=stage.node.node, codec=CODEC, scope={}, receive=events.get, send=FakeSend())

    await pump.run(None)

    assert len(stage.node.sessions) == 0


async def test_an_idle_client_costs_no_task_but_its_own(stage: Stage) -> None:
    client = await stage.client().connect()

    assert asyncio.all_tasks() == {asyncio.current_task(), client.run}


# ── Slow clients ──────────────────────────────────────────────────────────────────────────────


@both
async def test_a_client_that_does_not_read_is_closed_as_slow(stage: Stage, is_direct: bool) -> None:
    client = await stage.client(is_direct=is_direct).connect()
    client.say(subscribe(2, "a"))
    await settle()
    if client.writer:
        client.writer.is_reading = False
    else:
        client.asgi.stop_reading()

    for _ in range(200):
        await stage.node.publish("a", b'"%s"' % (b"x" * 1_000))
        await settle()
    client.asgi.read_on()
    await settle()

    assert client.close_code == 3008


@both
async def test_a_client_that_does_not_read_gets_no_further_command_answered(
    stage: Stage, is_direct: bool
) -> None:
    client = await stage.client(is_direct=is_direct).connect()
    for number in range(60):
        await stage.node.publisher.publish("a", b'"%s"' % (b"x" * 20_000 if number < 10 else b"x"))
    stage.node.node.permissions.is_insecure = True
    if client.writer:
        client.writer.is_reading = False
    else:
        client.asgi.stop_reading()

    for number in range(2, 5):
        client.say({"id": number, "history": {"channel": "a", "limit": -1}})
        await settle()

    assert client.ids() == [1]


# ── Time ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_pump_wakes_when_the_session_is_due(stage: Stage) -> None:
    client = await stage.client().connect()

    deadline = client.pump._session.next_deadline
    assert client.pump._timer is not None
    assert client.pump._timer.when() <= (deadline or math.inf)


async def test_an_earlier_deadline_set_by_the_server_moves_the_timer(stage: Stage) -> None:
    client = await stage.client().connect()

    client.pump._session.refresh(stage.node.unix_now() - 24)
    await settle()

    assert client.pump._timer is not None
    assert client.pump._timer.when() == pytest.approx(stage.node.clock() + 1)


# ── Refusing ──────────────────────────────────────────────────────────────────────────────────


async def refused(extensions: dict[str, Any]) -> list[dict[str, Any]]:
    send = FakeSend()
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})
    await refuse({"extensions": extensions}, events.get, send, status=503)
    return send.events


async def test_a_handshake_is_refused_with_its_status_where_the_server_can() -> None:
    assert await refused({"websocket.http.response": {}}) == [
        {"type": "websocket.http.response.start", "status": 503, "headers": []},
        {"type": "websocket.http.response.body", "body": b""},
    ]


async def test_a_handshake_is_closed_where_the_server_knows_no_status() -> None:
    assert await refused({}) == [{"type": "websocket.close"}]
