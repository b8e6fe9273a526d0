"""The chat from end to end with PostgreSQL beneath: sign in and post by HTTP, receive over the WebSocket."""

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from realtime.management.commands.demo import ACCOUNTS
from tests.postgres import running_postgres
from tests.raw_client import raw_client
from tests.servers import EACH_KIND, Server

PASSWORDS = {account.username: account.password for account in ACCOUNTS}


class Browser:
    """Speaks HTTP with cookies, and shows the token against forged requests as the page does."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._csrf: str = self.fetch("GET", "/api/session")["csrf"]

    def sign_in(self, username: str) -> None:
        credentials = {"username": username, "password": PASSWORDS[username]}
        self._csrf = self.fetch("POST", "/api/session", credentials)["csrf"]

    def fetch(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # Loopback only.
            self._server.http + path,
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"X-CSRFToken": getattr(self, "_csrf", ""), "Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=20) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database for one test, also where the server is one that somebody lends."""
    name = f"switchboard_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", EACH_KIND)
async def test_a_message_posted_over_http_arrives_over_the_websocket(
    kind: str, database_url: str, make_server: Callable[..., Server]
) -> None:
    server = make_server(kind, settings="project.settings.dev", env={"DATABASE_URL": database_url})
    server.manage("demo", "--migrate")
    server.start()
    alice, bob = Browser(server), Browser(server)
    alice.sign_in("alice")
    bob.sign_in("bob")
    token = alice.fetch("POST", "/api/connection-token")["token"]
    async with raw_client(server.ws) as client:
        await client.connect(token=token)
        await client.subscribe("chat:lobby")

        message = {"text": "Hello from PostgreSQL", "client_id": str(uuid.uuid4())}
        posted = bob.fetch("POST", "/api/chat/rooms/lobby/messages", message)
        pushed = await client.receive_push()
        while "pub" not in pushed:
            pushed = await client.receive_push()

        assert pushed["pub"]["data"] == {"type": "message", "message": posted}

        # And what is sent over the WebSocket is stored by the same service.
        answer = {"room": "lobby", "text": "Hello back", "client_id": str(uuid.uuid4())}
        sent = (await client.call(rpc={"method": "chat.send", "data": answer}))["rpc"]["data"]

    newest = bob.fetch("GET", "/api/chat/rooms/lobby/messages?limit=2")["messages"]
    assert newest == [posted, sent]
    with psycopg.connect(database_url) as connection:
        stored = connection.execute("SELECT text FROM chat_message ORDER BY id DESC LIMIT 2").fetchall()
    assert stored == [("Hello back",), ("Hello from PostgreSQL",)]
