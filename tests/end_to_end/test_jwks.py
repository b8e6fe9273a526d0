"""A real server that verifies tokens with the keys of a real HTTP server: rotation, and an outage of it."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.raw_client import raw_client
from tests.realtime.keys.pairs import ec_key, jwk, key_set, rsa_key, sign
from tests.servers import Server


class Provider:
    """Publishes two keys, or answers with another status."""

    def __init__(self) -> None:
        self.keys = key_set(jwk(rsa_key("a"), "a", use="sig"), jwk(ec_key("b"), "b", alg="ES256"))
        self.status = 200
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(provider.status)
                self.end_headers()
                self.wfile.write(provider.keys)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


async def test_keys_are_fetched_when_first_needed_and_outlive_the_provider(
    start_server: Callable[..., Server], provider: Provider
) -> None:
    server = start_server(env={"REALTIME_TOKEN_JWKS_URL": provider.url, "REALTIME_TOKEN_AUDIENCE": "here"})
    assert provider.asked == 0
    claims: dict[str, Any] = {"aud": "here", "exp": time.time() + 60}

    async with raw_client(server.ws) as first, raw_client(server.ws) as second:
        await first.connect(token=sign(rsa_key("a"), "RS256", kid="a", **claims))
        provider.status = 503
        await second.connect(token=sign(ec_key("b"), "ES256", kid="b", **claims))
    assert provider.asked == 1

    # Signed by somebody else, for somebody else, and by a key that may only be asked for later.
    for token, code in (
        (sign(rsa_key("other"), "RS256", kid="a", **claims), 3500),
        (sign(rsa_key("a"), "RS256", kid="a", exp=claims["exp"], aud="elsewhere"), 3500),
    ):
        async with raw_client(server.ws) as client:
            await client.send({"id": 1, "connect": {"token": token}})
            assert (await client.receive_close()).code == code
    async with raw_client(server.ws) as client:
        reply = await client.call(connect={"token": sign(rsa_key("c"), "RS256", kid="c", **claims)})
        assert (reply["error"]["code"], reply["error"]["temporary"]) == (100, True)
        # The same socket may try again, with what is known.
        await client.connect(token=sign(rsa_key("a"), "RS256", kid="a", **claims))


async def test_while_no_keys_were_ever_had_clients_are_told_to_try_again(
    start_server: Callable[..., Server], provider: Provider
) -> None:
    provider.status = 500
    server = start_server(env={"REALTIME_TOKEN_JWKS_URL": provider.url})

    async with raw_client(server.ws) as client:
        reply = await client.call(connect={"token": sign(rsa_key("a"), "RS256", kid="a")})

    assert (reply["error"]["code"], reply["error"]["temporary"]) == (100, True)
    assert "public keys for tokens cannot be fetched" in server.log.read_text()
