"""Once its clients have left, however they left, a server holds what it held before they came."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from websockets.exceptions import InvalidStatus

from tests.raw_client import RawClient, connected_client, raw_client
from tests.servers import EACH_KIND, Server
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
EACH = 5
TOPICS = ["news:left", "short:left", "cache:left", "room:left", "plain:left", "gauge:left"]


@pytest.fixture(params=EACH_KIND)
def server(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Server:
    return start_server(request.param, settings=SETTINGS, env={"REALTIME_CONNECT_TIMEOUT": "1"})


async def settle_in(client: RawClient) -> None:
    """Subscribes and publishes, so that there is something of every kind to leave behind."""
    for topic in TOPICS:
        await client.subscribe(topic)
        await client.call(publish={"channel": topic, "data": {"text": "hello"}})


async def leave_politely(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        for topic in TOPICS:
            await client.call(unsubscribe={"channel": topic})


async def leave_without_unsubscribing(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)


async def vanish(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        client.connection.transport.abort()


async def vanish_while_a_rule_is_asked(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        await client.send({"id": 90, "rpc": {"method": "probe.hold", "data": "left"}})
        await client.send({"id": 91, "subscribe": {"channel": "held:left"}})
        await client.send({"id": 92, "subscribe": {"channel": "news:late"}})
        client.connection.transport.abort()


async def vanish_in_the_middle_of_a_command(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        frames = client.connection.protocol
        frames.send_text(b'{"id": 9, "publish": {"channel": "news:left", "data": "x"}}')
        [data] = frames.data_to_send()
        client.connection.transport.write(data[:20])
        client.connection.transport.abort()


async def vanish_in_the_middle_of_many(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        await client.send(*({"id": id_, "subscribe": {"channel": f"room:{id_}"}} for id_ in range(10, 110)))
        client.connection.transport.abort()


async def misbehave(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await settle_in(client)
        await client.connection.send("{")
        await client.receive_close()


async def stay_silent(server: Server) -> None:
    async with raw_client(server.ws) as client:
        await client.receive_close()


async def be_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        async with raw_client(server.ws, origin="https://evil.example"):
            pass


async def be_unknown(server: Server) -> None:
    async with raw_client(server.ws) as client:
        await client.send({"id": 1, "connect": {"token": "nonsense"}})
        await client.receive_close()


async def never_finish_the_handshake(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n")
    await writer.drain()
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await reader.read()


WAYS: list[Callable[[Server], Awaitable[None]]] = [
    leave_politely,
    leave_without_unsubscribing,
    vanish,
    vanish_while_a_rule_is_asked,
    vanish_in_the_middle_of_a_command,
    vanish_in_the_middle_of_many,
    misbehave,
    stay_silent,
    be_refused,
    be_unknown,
    never_finish_the_handshake,
]


async def test_nothing_is_left_behind(server: Server) -> None:
    before = server.fetch_json("/probe/counts")

    # All at the same time, and so in each other's way.
    await asyncio.gather(*(way(server) for way in WAYS for _ in range(EACH)))
    async with connected_client(server.ws) as client:
        # Rules and calls that were under way come to their end, too.
        await client.call(rpc={"method": "probe.release", "data": "left"})

    await until(lambda: server.fetch_json("/probe/counts") == before)
    assert before | {"sessions": 0, "users": 0, "topics": 0, "subscribed": 0, "present": 0} == before


async def test_counts_are_counts(server: Server) -> None:
    """What the test above relies on: while somebody is there, it shows."""
    before = server.fetch_json("/probe/counts")
    async with connected_client(server.ws) as client:
        await settle_in(client)
        await client.send({"id": 90, "rpc": {"method": "probe.hold", "data": "counted"}})
        await client.call(rpc={"method": "probe.echo", "data": 1})

        counts = server.fetch_json("/probe/counts")
        await client.call(rpc={"method": "probe.release", "data": "counted"})

    kept = {name: counts[name] for name in counts.keys() - {"tasks"}}
    assert kept == {
        "sessions": 1, "users": 1, "topics": len(TOPICS), "subscribed": len(TOPICS), "present": 1,
    }  # fmt: skip
    assert counts["tasks"] > before["tasks"] + 1
