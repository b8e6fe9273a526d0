"""What a client over a limit is told, through real servers: on both of them, and on two over Redis."""

from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.errors import ErrorCode
from tests.raw_client import connected_client, raw_client
from tests.servers import EACH_KIND, Server
from tests.tokens import sign

SETTINGS = "tests.end_to_end.settings_probe"
# Nothing is earned while a test runs.
ENV = {
    "REALTIME_RATE_CONNECT_PER_USER": "1/h:4",
    "REALTIME_RATE_PUBLISH_PER_CONNECTION": "1/h:3",
    "REALTIME_RATE_PUBLISH_PER_USER": "1/h:5",
    "REALTIME_RATE_RPC_PER_CONNECTION": "1/h:2",
}
PUBLISH = {"channel": "plain:1", "data": 1}
ECHO = {"method": "probe.echo", "data": 1}
TOO_MANY = {"code": ErrorCode.TOO_MANY_REQUESTS, "message": "too many requests", "temporary": True}


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_a_connection_over_its_rate_gets_111_and_lives_on(
    kind: str, shared_server: Callable[..., Server]
) -> None:
    server = shared_server(kind, settings=SETTINGS, env=ENV)
    async with connected_client(server.ws, token=sign(sub=f"one-{kind}")) as client:
        published = [await client.call(publish=PUBLISH) for _ in range(4)]
        called = [await client.call(rpc=ECHO) for _ in range(3)]

        assert [reply.get("error") for reply in published] == [None, None, None, TOO_MANY]
        assert [reply.get("error") for reply in called] == [None, None, TOO_MANY]
        assert "error" not in await client.call(subscribe={"channel": "plain:1"})


async def test_two_servers_share_the_limits_of_a_user(
    start_server: Callable[..., Server], redis_url: str, redis_prefix: str
) -> None:
    env = {**ENV, "REDIS_URL": redis_url, "REDIS_PREFIX": redis_prefix}
    first, second = (start_server(settings=SETTINGS, env=env) for _ in range(2))
    token = sign(sub="alice")

    async with (
        connected_client(first.ws, token=token) as one,
        connected_client(second.ws, token=token) as two,
    ):
        replies = [await client.call(publish=PUBLISH) for client in (one, two) * 3]
    async with connected_client(second.ws, token=token), connected_client(first.ws, token=token):
        pass
    async with raw_client(first.ws) as fifth:
        refused = await fifth.call(connect={"token": token})

    assert [reply.get("error") for reply in replies] == [None] * 5 + [TOO_MANY]
    assert refused["error"] == TOO_MANY


async def test_an_address_that_connects_too_often_gets_429_before_the_upgrade(
    start_server: Callable[..., Server],
) -> None:
    env = {"REALTIME_RATE_CONNECT_PER_IP": "1/h:2", "TRUSTED_PROXIES": "127.0.0.1"}
    server = start_server(settings=SETTINGS, env=env)

    async def open_from(address: str) -> None:
        async with connect(server.ws, additional_headers={"X-Forwarded-For": address}, proxy=None):
            pass

    await open_from("192.0.2.1")
    await open_from("192.0.2.1")
    with pytest.raises(InvalidStatus) as refusal:
        await open_from("192.0.2.1")
    await open_from("192.0.2.2")
    for network in ("2001:db8::1", "2001:db8::2"):
        await open_from(network)
    with pytest.raises(InvalidStatus) as other:
        await open_from("2001:db8::3")

    assert refusal.value.response.status_code == other.value.response.status_code == 429
    assert 3590 <= int(refusal.value.response.headers["Retry-After"]) <= 3600


async def test_requests_of_an_address_get_429_in_the_shape_of_all_errors(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(env={"REALTIME_RATE_HTTP_PER_IP": "1/h:2"})

    assert [server.fetch_status("/api/session") for _ in range(3)] == [200, 200, 429]
    # Load balancers ask ever so often.
    assert {server.fetch_status("/health/live") for _ in range(5)} == {200}
