"""What clients may not do, as they see it: bad input, too much of something, too late. On both servers.

The conversations in tests/wire show each error and close code; here are the limits at their real
values, and what no JSON conversation could show.
"""

import json
from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.errors import CloseCode, ErrorCode
from tests.raw_client import Closed, connected_client, raw_client
from tests.servers import EACH_KIND, Server
from tests.tokens import FOREIGN_SECRET, sign
from tests.waiting import wait_until

SETTINGS = "tests.end_to_end.settings_probe"
MAX_MESSAGE_BYTES = 65_536
MAX_TOPICS = 128


@pytest.fixture(params=EACH_KIND)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, shared_server: Callable[..., Server]) -> Server:
    return shared_server(kind, settings=SETTINGS, env={})


async def close_after(server: Server, message: str | bytes | list[str]) -> Closed:
    """What the server says to a connected client that sends `message` (a list: in fragments)."""
    async with connected_client(server.ws) as client:
        await client.connection.send(message)
        return await client.receive_close()


# ── Bad input ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '"text"',
        "null",
        '{"id": -1, "rpc": {}}',
        '{"id": 1.5, "rpc": {}}',
        '{"id": 99999999999999999999, "rpc": {}}',
        '{"id": 2, "subscribe": {"channel": 7}}',
        '{"id": 2, "subscribe": {"channel": "plain:1"}} trailing',
        '{"id": 2, "subscribe": {"channel": "half a pair: \\ud83d"}}',
        '{"id": 2, "subscribe": {"channel": "news:1", "recover": true, "offset": -1}}',
        '{"id": 2, "history": {"channel": "news:1", "limit": 1e10}}',
        # Deeper than any parser's stack.
        '{"id": 2, "rpc": {"data": ' + "[" * 30_000 + "]" * 30_000 + "}}",
    ],
)  # fmt: skip
async def test_malformed_json_closes_with_3501(server: Server, message: str) -> None:
    closed = await close_after(server, message)

    assert closed.code == CloseCode.BAD_REQUEST


async def test_text_that_is_not_utf_8_closes(server: Server) -> None:
    async with connected_client(server.ws) as client:
        # Past the library, which would not send such a thing.
        client.connection.protocol.send_text(b'{"id": 2, "rpc": {"method": "\xff\xfe"}}')
        for data in client.connection.protocol.data_to_send():
            client.connection.transport.write(data)

        closed = await client.receive_close()

    # RFC 6455, section 7.4.1; the servers see it before the application does. daphne drops the socket.
    assert closed.code == (1007 if server.kind == "serve" else None)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\xc1\x80\0\0\0\0", id="compressed"),
        pytest.param(b"\x81\x02{}", id="without a mask"),
        pytest.param(b"\x83\x80\0\0\0\0", id="of an unknown kind"),
        pytest.param(b"\x80\x80\0\0\0\0", id="that goes on with nothing"),
    ],
)
async def test_a_frame_that_breaks_the_websocket_protocol_closes(server: Server, frame: bytes) -> None:
    async with connected_client(server.ws) as client:
        client.connection.transport.write(frame)

        closed = await client.receive_close()

    # RFC 6455, section 7.4.1. daphne drops the socket.
    assert closed.code == (1002 if server.kind == "serve" else None)


async def test_a_binary_message_is_read_as_json_too(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await client.connection.send(b'{"id": 99, "rpc": {"method": "probe.echo", "data": 1}}')

        assert await client.receive_reply(99) == {"id": 99, "rpc": {"data": 1}}


async def test_a_binary_message_of_noise_closes_with_3501(server: Server) -> None:
    closed = await close_after(server, bytes(range(256)))

    assert closed.code == CloseCode.BAD_REQUEST


async def test_an_empty_message_is_no_offence(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await client.connection.send("")
        await client.connection.send("\n\n")

        assert (await client.call(rpc={"method": "probe.echo", "data": 1}))["rpc"] == {"data": 1}


async def test_compression_is_not_agreed_to(server: Server) -> None:
    async with raw_client(server.ws, compression="deflate") as client:
        await client.connect()

        assert client.connection.response is not None
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers


@pytest.mark.parametrize("offered", [[], ["centrifuge-json"], ["other", "centrifuge-json"]])
async def test_only_a_known_subprotocol_is_agreed_to(server: Server, offered: list[str]) -> None:
    async with raw_client(server.ws, subprotocols=offered or None) as client:
        await client.connect()

        assert client.connection.subprotocol == ("centrifuge-json" if offered else None)


@pytest.mark.parametrize("path", ["/", "/connection", "/connection/websocket/more", "/ws"])
async def test_other_paths_are_refused_before_the_upgrade(server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.ws.replace("/connection/websocket", path), proxy=None):
            pass

    # daphne lets applications refuse, but not say how.
    assert refused.value.response.status_code == (404 if server.kind == "serve" else 403)


# ── Too much ──────────────────────────────────────────────────────────────────────────────────


def message_of(length: int, *, character: str = "x") -> str:
    """An RPC command that is `length` bytes long."""
    frame = '{{"id": 99, "rpc": {{"method": "probe.echo", "data": "{}"}}}}'
    room = length - len(frame.format(""))
    return frame.format(
        character * (room // len(character.encode())) + "x" * (room % len(character.encode()))
    )


async def test_a_message_of_64_kib_is_answered(server: Server) -> None:
    message = message_of(MAX_MESSAGE_BYTES)
    async with connected_client(server.ws) as client:
        await client.connection.send(message)

        assert (await client.receive_reply(99))["rpc"]["data"] == json.loads(message)["rpc"]["data"]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(message_of(MAX_MESSAGE_BYTES + 1), id="one byte too many"),
        pytest.param(message_of(1_000_000), id="a megabyte"),
        pytest.param([message_of(MAX_MESSAGE_BYTES + 1)[:40_000], message_of(MAX_MESSAGE_BYTES + 1)[40_000:]],
                     id="in two frames"),
        pytest.param(message_of(MAX_MESSAGE_BYTES + 1, character="ü"), id="few characters of many bytes"),
    ],
)  # fmt: skip
async def test_a_message_over_64_kib_closes_with_1009(server: Server, message: str | list[str]) -> None:
    closed = await close_after(server, message)

    # daphne lets applications send no code below 3000: there it is the engine that refuses, after
    # the message was read.
    assert closed.code == (1009 if server.kind == "serve" else CloseCode.BAD_REQUEST)


async def test_the_129th_topic_is_refused_with_106(server: Server) -> None:
    async with connected_client(server.ws) as client:
        for number in range(MAX_TOPICS):
            await client.subscribe(f"plain:{number}")

        refused = await client.call(subscribe={"channel": f"plain:{MAX_TOPICS}"})
        await client.call(unsubscribe={"channel": "plain:0"})

        assert refused["error"]["code"] == ErrorCode.LIMIT_EXCEEDED
        assert await client.subscribe(f"plain:{MAX_TOPICS}") == {}


async def test_2000_commands_in_one_message_are_answered_in_order(server: Server) -> None:
    async with connected_client(server.ws) as client:
        await client.connection.send(
            "\n".join(f'{{"id":{number},"ping":{{}}}}' for number in range(10, 2010))
        )

        answered = [(await client.receive())["id"] for _ in range(2000)]

    assert answered == list(range(10, 2010))


async def test_more_connections_than_a_node_may_have_are_refused_with_3504(
    kind: str, shared_server: Callable[..., Server]
) -> None:
    server = shared_server(kind, settings=SETTINGS, env={"REALTIME_MAX_CONNECTIONS": "2"})
    async with connected_client(server.ws) as first, raw_client(server.ws), raw_client(server.ws) as third:
        # A socket counts from its first moment on, before its client has said anything.
        assert (await third.receive_close()).code == CloseCode.CONNECTION_LIMIT

        assert "rpc" in await first.call(rpc={"method": "probe.echo", "data": 1})

    await_all_gone(server)
    async with connected_client(server.ws), connected_client(server.ws):
        pass
    await_all_gone(server)


async def test_more_connections_than_a_user_may_have_are_refused_with_3504(
    kind: str, shared_server: Callable[..., Server]
) -> None:
    env = {"REALTIME_MAX_CONNECTIONS_PER_USER": "2"}
    server = shared_server(kind, settings=SETTINGS, env=env)
    alice, bob = sign(sub="42"), sign(sub="43")
    async with connected_client(server.ws, token=alice), connected_client(server.ws, token=alice):
        async with raw_client(server.ws) as third:
            await third.send({"id": 1, "connect": {"token": alice}})
            assert (await third.receive_close()).code == CloseCode.CONNECTION_LIMIT
        async with connected_client(server.ws, token=bob):
            pass

    await_all_gone(server)
    async with connected_client(server.ws, token=alice):
        pass


def await_all_gone(server: Server) -> None:
    wait_until(lambda: server.fetch_json("/probe/counts")["sessions"] == 0)


# ── Tokens and time ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        sign(sub="42", secret=FOREIGN_SECRET),
        # {"alg":"none","typ":"JWT"} {"sub":"42"}: signed by nobody.
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiI0MiJ9.",
    ],
)
async def test_a_bad_token_closes_with_3500(server: Server, token: str) -> None:
    async with raw_client(server.ws) as client:
        await client.send({"id": 1, "connect": {"token": token}})

        assert (await client.receive_close()).code == CloseCode.INVALID_TOKEN


async def test_an_expired_token_is_refused_with_109(server: Server) -> None:
    async with raw_client(server.ws) as client:
        reply = await client.call(connect={"token": sign(sub="42", ttl_seconds=-1)})

        assert reply["error"]["code"] == ErrorCode.TOKEN_EXPIRED


async def test_a_client_that_does_not_connect_in_time_is_closed_with_3502(
    kind: str, shared_server: Callable[..., Server]
) -> None:
    env = {"REALTIME_CONNECT_TIMEOUT": "0.5"}
    server = shared_server(kind, settings=SETTINGS, env=env)
    async with raw_client(server.ws) as silent, connected_client(server.ws) as connected:
        assert (await silent.receive_close()).code == CloseCode.STALE

        # The limit is for the connect command alone.
        assert "rpc" in await connected.call(rpc={"method": "probe.echo", "data": 1})
