"""Plays a transcript against a real server, and compares what comes back, message by message."""

import json
import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed

from realtime.errors import CloseCode
from tests.raw_client import Closed, Message, RawClient, raw_client
from tests.servers import Server
from tests.tokens import FOREIGN_SECRET, sign
from tests.wire.transcript import Gets, IsClosed, Leaves, Opens, Sends, ServerStops, Text, Token, Transcript

ANY = "$any"
# The last thing that each client says: its answer comes next only if nothing else came before it.
LAST_ID = 999_999


class Player:
    """One conversation. `play()` raises AssertionError at the first line that went otherwise."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._values: dict[str, Any] = {}
        self._clients: dict[str, RawClient] = {}
        self._exits: dict[str, Callable[..., Any]] = {}

    async def play(self, transcript: Transcript) -> None:
        async with AsyncExitStack() as stack:
            for number, step in transcript.steps:
                try:
                    await self._do(step, stack)
                except (AssertionError, ConnectionClosed, TimeoutError) as error:
                    raise AssertionError(f"{transcript.name}.txt, line {number}: {error!r}") from error
            for name, client in self._clients.items():
                await client.send({"id": LAST_ID, "ping": {}})
                assert await client.receive() == {"id": LAST_ID, "ping": {}}, (
                    f"{name} got more than is written"
                )

    async def _do(self, step: object, stack: AsyncExitStack) -> None:
        match step:
            case Token(name, claims):
                secret = FOREIGN_SECRET if claims.get("secret") == "foreign" else ""
                self._values[name] = sign(**{**claims, "secret": secret})
            case Text(name, length):
                self._values[name] = "x" * length
            case Opens(client):
                await self._open(client, stack)
            case Sends(client, lines):
                if client not in self._clients:
                    await self._open(client, stack)
                await self._clients[client].connection.send("\n".join(map(self._fill_text, lines)))
            case Gets(client, message):
                self._compare(message, await self._clients[client].receive(), at=client)
            case IsClosed(client, code, reason):
                await self._expect_close(self._clients.pop(client), code, reason)
            case Leaves(client):
                await self._clients.pop(client).connection.close()
            case ServerStops():
                self._server.signal(signal.SIGTERM)
            case _:
                raise NotImplementedError(step)

    async def _open(self, name: str, stack: AsyncExitStack) -> None:
        self._clients[name] = await stack.enter_async_context(raw_client(self._server.ws))

    async def _expect_close(self, client: RawClient, code: int, reason: str) -> None:
        closed = await client.receive_close()
        expected = Closed(code, reason)
        expected_pushes: list[Message] = []
        if code < 3000:
            # Closes that are the WebSocket library's own have its own words.
            closed = Closed(closed.code, reason)
        if self._server.kind == "daphne":
            expected = _closed_by_daphne(code)
            closed = Closed(closed.code, "")
            expected_pushes = _told_before(expected)
        assert list(client.pushes) == expected_pushes, f"before the close came {list(client.pushes)}"
        assert closed == expected, f"closed by {closed}, expected {expected}"

    # ── Values with a $ ───────────────────────────────────────────────────────────────────────

    def _fill_text(self, line: str) -> str:
        return re.sub(
            r"\$(\$|\w+)", lambda found: "$" if found[1] == "$" else str(self._values[found[1]]), line
        )

    def _compare(self, expected: Any, got: Any, at: str) -> None:
        match expected:
            case str() if expected == ANY:
                pass
            case str() if expected.startswith("$"):
                wanted = self._values.setdefault(expected[1:], got)
                assert got == wanted, f"{at} is {got!r}, expected {wanted!r} ({expected})"
            case dict():
                self._compare_objects(expected, got, at)
            case list():
                assert isinstance(got, list), f"{at} is {got!r}, expected {expected!r}"
                assert len(got) == len(expected), f"{at} is {got!r}, expected {expected!r}"
                for index, (each, got_one) in enumerate(zip(expected, got, strict=True)):
                    self._compare(each, got_one, f"{at}[{index}]")
            case _:
                # 1 == True in Python, not in JSON.
                is_same = type(got) is type(expected) and got == expected
                assert is_same, f"{at} is {got!r}, expected {expected!r}"

    def _compare_objects(self, expected: Message, got: Any, at: str) -> None:
        expected = {self._key(key): value for key, value in expected.items()}
        assert isinstance(got, dict), f"{at} is {got!r}, expected {json.dumps(expected)}"
        assert got.keys() == expected.keys(), f"{at} is {json.dumps(got)}, expected {json.dumps(expected)}"
        for key, value in expected.items():
            self._compare(value, got[key], f"{at}.{key}")

    def _key(self, key: str) -> str:
        return str(self._values[key[1:]]) if key.startswith("$") else key


def _closed_by_daphne(code: int) -> Closed:
    """daphne sends no reasons, and no codes below 3000, which are a server's own, it says. It does not
    tell applications that it is about to stop, either: it drops their sockets."""
    if code == CloseCode.SHUTDOWN:
        return Closed(None, "")
    return Closed(code if code >= 3000 else CloseCode.BAD_REQUEST, "")


def _told_before(closed: Closed) -> list[Message]:
    """Since daphne sends no reasons, a push says what clients must know: that it is for good."""
    return [
        {"disconnect": {"code": int(code), "reason": code.text}}
        for code in CloseCode
        if code == closed.code and not code.reconnects
    ]
