"""Clients that do not read, beside one that does: memory stays bounded, and the others lose nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from realtime.errors import CloseCode
from tests.raw_client import Closed, RawClient, connected_client, raw_client
from tests.servers import EACH_KIND, Server
from tests.waiting import until

SETTINGS = "tests.end_to_end.settings_probe"
SLOW_CLIENTS = 10
# A round is far less than the server lets wait for a client (1 MiB), so that one who reads is never
# slow; together the rounds are far more than kernels and servers could keep for one who does not.
PUBLICATION_BYTES = 40_000
PUBLICATIONS_PER_ROUND = 10
ROUNDS = 80
PUBLICATIONS = ROUNDS * PUBLICATIONS_PER_ROUND
# 32 MB for each of 10 clients would be 320 MB. They may have 1 MiB each and what waits in the
# server's own buffers for a moment.
MOST_GROWTH_BYTES = 50 * 2**20

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=EACH_KIND)
def server(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Server:
    # A server for each test: what another one left in its memory would blur the figures.
    return start_server(request.param, settings=SETTINGS)


@asynccontextmanager
async def client_with_small_buffers(url: str) -> AsyncIterator[RawClient]:
    """Connected; while nobody reads from it, the kernel takes some 100 KB for it, and then no more."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    small.setblocking(False)  # noqa: FBT003  # The socket module's own way.
    host, port = url.removeprefix("ws://").partition("/")[0].split(":")
    await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
    # The library reads ahead of its user: one frame, and then it stops reading from the socket.
    async with raw_client(url, sock=small, max_queue=1, close_timeout=1) as client:
        await client.connect()
        yield client


async def publish_round(server: Server, topic: str, first: int) -> None:
    path = (
        f"/probe/publish?topic={topic}&first={first}&count={PUBLICATIONS_PER_ROUND}&bytes={PUBLICATION_BYTES}"
    )
    assert await asyncio.to_thread(server.fetch_status, path) == 204


async def publish_and_read(
    server: Server, topic: str, reader: RawClient, *, until_alone: bool
) -> tuple[list[int], int]:
    """What `reader`, who keeps up, got of all rounds; and the most memory that the server held meanwhile.

    `until_alone`: ends early, as soon as the reader is the only client.
    """
    numbers: list[int] = []
    most_bytes = 0
    for first in range(0, PUBLICATIONS, PUBLICATIONS_PER_ROUND):
        publishing = asyncio.create_task(publish_round(server, topic, first))
        while not numbers or numbers[-1] < first + PUBLICATIONS_PER_ROUND - 1:
            push = await reader.receive_push()
            numbers.append(push["pub"]["data"]["n"])
        await publishing
        most_bytes = max(most_bytes, server.get_resident_bytes())
        if until_alone and server.fetch_json("/probe/counts")["sessions"] == 1:
            break
    return numbers, most_bytes


async def read_to_the_end(client: RawClient) -> tuple[list[int], Closed]:
    closed = await client.receive_close()
    return [push["pub"]["data"]["n"] for push in client.pushes if "pub" in push], closed


async def test_clients_that_do_not_read_are_closed_with_3008_and_cost_bounded_memory(
    server: Server, record_property: Callable[[str, Any], None]
) -> None:
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(connected_client(server.ws))
        await reader.subscribe("plain:slow")
        slow = [
            await stack.enter_async_context(client_with_small_buffers(server.ws)) for _ in range(SLOW_CLIENTS)
        ]
        for client in slow:
            await client.subscribe("plain:slow")
        before_bytes = server.get_resident_bytes()

        numbers, most_bytes = await publish_and_read(server, "plain:slow", reader, until_alone=True)

        assert numbers == list(range(len(numbers)))
        # daphne drops the socket of a client that does not take its close a second later.
        await until(lambda: server.fetch_json("/probe/counts")["sessions"] == 1)
        record_property("grown_mib", (most_bytes - before_bytes) / 2**20)
        assert most_bytes - before_bytes < MOST_GROWTH_BYTES
        for client in slow:
            got, closed = await read_to_the_end(client)
            # Whole messages, from the first on, without a gap; then the reason.
            assert got == list(range(len(got)))
            assert len(got) <= len(numbers)
            # daphne gives a client one second to take the close, then it drops the socket.
            assert closed.code == CloseCode.SLOW or (server.kind == "daphne" and closed.code is None)
        assert "rpc" in await reader.call(rpc={"method": "probe.echo", "data": 1})


async def test_slow_readers_of_a_conflating_topic_stay_and_get_the_newest(
    server: Server, record_property: Callable[[str, Any], None]
) -> None:
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(connected_client(server.ws))
        await reader.subscribe("gauge:slow")
        slow = [
            await stack.enter_async_context(client_with_small_buffers(server.ws)) for _ in range(SLOW_CLIENTS)
        ]
        for client in slow:
            await client.subscribe("gauge:slow")
        before_bytes = server.get_resident_bytes()

        numbers, most_bytes = await publish_and_read(server, "gauge:slow", reader, until_alone=False)

        assert numbers[-1] == PUBLICATIONS - 1
        record_property("grown_mib", (most_bytes - before_bytes) / 2**20)
        assert most_bytes - before_bytes < MOST_GROWTH_BYTES
        assert server.fetch_json("/probe/counts")["sessions"] == SLOW_CLIENTS + 1
        for client in slow:
            got: list[int] = []
            while not got or got[-1] < PUBLICATIONS - 1:
                got.append((await client.receive_push())["pub"]["data"]["n"])
            assert got == sorted(set(got)), "older after newer"
            assert len(got) < PUBLICATIONS / 2
            assert "rpc" in await client.call(rpc={"method": "probe.echo", "data": 1})


async def test_a_client_that_reads_again_in_time_loses_nothing(server: Server) -> None:
    async with client_with_small_buffers(server.ws) as client:
        await client.subscribe("plain:pausing")
        for first in range(0, 10 * PUBLICATIONS_PER_ROUND, PUBLICATIONS_PER_ROUND):
            # Each round it does not read before all of it is published.
            await publish_round(server, "plain:pausing", first)
            numbers = [
                (await client.receive_push())["pub"]["data"]["n"] for _ in range(PUBLICATIONS_PER_ROUND)
            ]

            assert numbers == list(range(first, first + PUBLICATIONS_PER_ROUND))


async def test_a_client_that_does_not_read_its_replies_is_not_answered_on(server: Server) -> None:
    """Replies are the client's own doing: it is not slow, but nothing more is done for it until it reads."""
    # 40 MB of replies. daphne reads ahead without an end, and a pong behind more commands than may
    # wait (256) is not seen.
    count = 1000 if server.kind == "serve" else 200
    async with client_with_small_buffers(server.ws) as client:
        before_bytes = server.get_resident_bytes()
        asking = asyncio.create_task(ask_for_echoes(client, count=count))
        await until(lambda: asking.done() or client.connection.transport.get_write_buffer_size() > 0)

        grown_bytes = server.get_resident_bytes() - before_bytes
        ids = [(await client.receive_reply(number))["id"] for number in range(1000, 1000 + count)]
        await asking

    assert ids == list(range(1000, 1000 + count))
    # Up to 256 commands of 40 KB wait; of the replies, two or three.
    assert grown_bytes < 16 * 2**20


async def ask_for_echoes(client: RawClient, *, count: int) -> None:
    data = "x" * PUBLICATION_BYTES
    for number in range(1000, 1000 + count):
        await client.send({"id": number, "rpc": {"method": "probe.echo", "data": data}})
