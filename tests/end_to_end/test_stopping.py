"""Health, and the end of a server: load balancers first, then clients in a spread, nothing half-written."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.errors import CloseCode
from tests.raw_client import Closed, RawClient, connected_client
from tests.servers import EACH_KIND, Server
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
CLIENTS = 40
# Gone by the signal or by its own decision: process supervisors take both for a proper stop.
PROPER_EXITS = (0, -signal.SIGTERM)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_server_says_that_it_lives_and_is_ready(kind: str, shared_server: Callable[..., Server]) -> None:
    server = shared_server(kind, settings=SETTINGS, env={})

    assert server.fetch_json("/health/live") == {"status": "alive"}
    assert server.fetch_json("/health/ready")["status"] == "ready"


@dataclass
class Listener:
    """What one client gets until the server closes its connection, and when that was."""

    client: RawClient
    numbers: list[int] = field(default_factory=list)
    closed: Closed | None = None
    closed_at: float = 0

    async def listen(self) -> None:
        """Every frame must be whole JSON: the client fails on anything else."""
        self.closed = await self.client.receive_close()
        self.closed_at = time.monotonic()
        self.numbers = [push["pub"]["data"]["n"] for push in self.client.pushes]

    @property
    def missed_nothing(self) -> bool:
        return self.numbers == list(range(len(self.numbers)))


async def start_listeners(server: Server, topic: str, stack: AsyncExitStack) -> list[Listener]:
    listeners = [
        Listener(await stack.enter_async_context(connected_client(server.ws))) for _ in range(CLIENTS)
    ]
    for listener in listeners:
        await listener.client.subscribe(topic)
    return listeners


async def publish_until_gone(server: Server, topic: str) -> int:
    """How many publications the server took, in requests one after the other, until it took none."""
    count = 0
    path = f"/probe/publish?topic={topic}&bytes=1000&count=5&first="
    while await asyncio.to_thread(server.fetch_status, f"{path}{count}") == HTTPStatus.NO_CONTENT:
        count += 5
    return count


async def test_sigterm_fails_readiness_first_and_then_closes_in_a_spread(
    start_server: Callable[..., Server],
) -> None:
    env = {"REALTIME_SHUTDOWN_DELAY": "3", "REALTIME_SHUTDOWN_SPREAD": "2"}
    server = start_server("serve", settings=SETTINGS, env=env)
    async with AsyncExitStack() as stack:
        bystander = await stack.enter_async_context(connected_client(server.ws))
        listeners = await start_listeners(server, "plain:stop", stack)
        listening = [asyncio.create_task(listener.listen()) for listener in listeners]
        publishing = asyncio.create_task(publish_until_gone(server, "plain:stop"))

        server.signal(signal.SIGTERM)
        await until(lambda: server.fetch_status("/health/ready") == HTTPStatus.SERVICE_UNAVAILABLE)

        # While load balancers take notice, all goes on for those who are there; nobody new gets in.
        assert server.fetch_status("/health/live") == HTTPStatus.OK
        assert "rpc" in await bystander.call(rpc={"method": "probe.echo", "data": 1})
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server.ws, proxy=None):
                pass
        assert refused.value.response.status_code == HTTPStatus.SERVICE_UNAVAILABLE

        async with asyncio.timeout(20):
            await asyncio.gather(*listening)
        published = await publishing
        exit_code = await asyncio.to_thread(server.wait)

    assert {listener.closed for listener in listeners} == {Closed(CloseCode.SHUTDOWN, "shutdown")}
    assert all(listener.missed_nothing for listener in listeners)
    assert all(0 < len(listener.numbers) <= published for listener in listeners)
    times = sorted(listener.closed_at for listener in listeners)
    assert times[-1] - times[0] > 0.5
    # Spread, not in two heaps: in no tenth of the time did half of them go.
    assert all(later - earlier > 0.1 for earlier, later in zip(times, times[CLIENTS // 2 :], strict=False))
    assert exit_code in PROPER_EXITS


async def test_sigterm_ends_daphne_without_half_a_message(start_server: Callable[..., Server]) -> None:
    """daphne tells its application nothing before it drops the sockets, so that no 3001 can be sent;
    clients take it for a lost connection and come back all the same."""
    server = start_server("daphne", settings=SETTINGS)
    async with AsyncExitStack() as stack:
        listeners = await start_listeners(server, "plain:stop", stack)
        publishing = asyncio.create_task(publish_until_gone(server, "plain:stop"))
        witness = await stack.enter_async_context(connected_client(server.ws))
        await witness.subscribe("plain:stop")
        await witness.receive_push()

        server.signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await asyncio.gather(*(listener.listen() for listener in listeners))
        await publishing
        exit_code = await asyncio.to_thread(server.wait)

    assert all(listener.missed_nothing for listener in listeners)
    assert exit_code in PROPER_EXITS


async def test_a_server_without_clients_stops_at_once(start_server: Callable[..., Server]) -> None:
    env = {"REALTIME_SHUTDOWN_DELAY": "60", "REALTIME_SHUTDOWN_SPREAD": "60"}
    server = start_server("serve", settings=SETTINGS, env=env)

    server.signal(signal.SIGTERM)

    assert server.wait() in PROPER_EXITS


async def test_sigint_stops_as_gently(start_server: Callable[..., Server]) -> None:
    env = {"REALTIME_SHUTDOWN_DELAY": "0", "REALTIME_SHUTDOWN_SPREAD": "0"}
    server = start_server("serve", settings=SETTINGS, env=env)
    async with connected_client(server.ws) as client:
        server.signal(signal.SIGINT)

        assert await client.receive_close() == Closed(CloseCode.SHUTDOWN, "shutdown")
        assert await asyncio.to_thread(server.wait) == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"REALTIME_SHUTDOWN_DELAY": "600"}, id="while load balancers take notice"),
        pytest.param(
            {"REALTIME_SHUTDOWN_DELAY": "0", "REALTIME_SHUTDOWN_SPREAD": "600"}, id="while clients are closed"
        ),
    ],
)
async def test_a_second_sigint_ends_at_once(start_server: Callable[..., Server], env: dict[str, str]) -> None:
    server = start_server("serve", settings=SETTINGS, env=env)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connected_client(server.ws))
        server.signal(signal.SIGINT)
        await until(lambda: server.fetch_status("/health/ready") == HTTPStatus.SERVICE_UNAVAILABLE)

        server.signal(signal.SIGINT)

        try:
            assert await asyncio.to_thread(server.wait) == 0
        except subprocess.TimeoutExpired:
            server.kill()
            raise
    assert "Traceback" not in server.log.read_text()


async def test_a_hook_that_hangs_does_not_keep_a_server_for_ever(start_server: Callable[..., Server]) -> None:
    env = {"REALTIME_SHUTDOWN_DELAY": "0", "REALTIME_SHUTDOWN_SPREAD": "0"}
    server = start_server("serve", settings=SETTINGS, env=env)
    async with connected_client(server.ws) as client:
        await client.send({"id": 99, "rpc": {"method": "probe.hold", "data": "for ever"}})
        await client.call(rpc={"method": "probe.echo", "data": 1})
        await client.send({"id": 98, "subscribe": {"channel": "held:for-ever"}})

        server.signal(signal.SIGTERM)

        assert await client.receive_close() == Closed(CloseCode.SHUTDOWN, "shutdown")
        # Ten seconds of grace for what is under way, and no more.
        assert await asyncio.to_thread(server.wait) in PROPER_EXITS
