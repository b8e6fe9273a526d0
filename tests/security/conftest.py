"""One server for these tests, with the demo's people; and requests as an attacker would write them."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.realtime.keys.pairs import public_pem, rsa_key
from tests.servers import Server

# The same in all processes of a run, which must collect the same tests.
API_KEY = "security-Zq4vJ8nR2xK6mT0wB3yE7hU1cL5pD9fA"
SETTINGS = "tests.security.settings"
TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """Requests go out as they are written: no library mends them, follows redirects or keeps cookies."""

    server: Server

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: Any = None
    ) -> Answer:
        """`body`: bytes as they are, anything else as JSON."""
        headers = {**(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found: dict[str, str] = {}
            for name, value in response.getheaders():
                known = found.get(name.lower())
                found[name.lower()] = value if known is None else f"{known}, {value}"
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def call(self, method: str, body: Any) -> Any:
        """A call of the server API."""
        return self.request("POST", f"/api/{method}", headers={"X-API-Key": API_KEY}, body=body).json

    def sign_in(self, username: str) -> dict[str, str]:
        """The headers of a signed-in browser: its cookies, and the token against forged requests."""
        before = _Cookies()
        csrf = before.take(self.request("GET", "/api/session")).json["csrf"]
        credentials = {"username": username, "password": f"{username}-demo"}
        answer = before.take(
            self.request(
                "POST", "/api/session", headers={"Cookie": f"{before}", "X-CSRFToken": csrf}, body=credentials
            )
        )
        assert answer.status == 200, answer
        return {"Cookie": f"{before}", "X-CSRFToken": answer.json["csrf"]}


class _Cookies:
    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def take(self, answer: Answer) -> Answer:
        # Several headers of one name are joined by commas; these values have none.
        for part in answer.headers.get("set-cookie", "").replace(";", ",").split(","):
            name, _, value = part.strip().partition("=")
            if name in {"sessionid", "csrftoken"}:
                self._values[name] = value
        return answer

    def __str__(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._values.items())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = Server(
        "serve",
        settings=SETTINGS,
        env={
            "REALTIME_API_KEYS": API_KEY,
            "REALTIME_TOKEN_RSA_PUBLIC_KEY": public_pem(rsa_key()),
            "REALTIME_SHUTDOWN_DELAY": "0",
            "REALTIME_SHUTDOWN_SPREAD": "0",
            # What libraries say of each request and frame, too.
            "LOG_LEVEL": "DEBUG",
        },
        log=tmp_path_factory.mktemp("security") / "server.log",
    )
    server.manage("demo", "--migrate", "--force")
    with server:
        yield Site(server)
