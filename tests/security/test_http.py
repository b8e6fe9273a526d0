"""What OWASP's API list warns of, tried against a real server: sizes, shapes, hosts, redirects, guesses."""

import gzip
import socket
from typing import Any
from urllib.parse import quote

import pytest

from tests.security.conftest import API_KEY, TIMEOUT_SECONDS, Answer, Site

# The server is started once.
pytestmark = pytest.mark.xdist_group("security")

DEEP = 30_000
# What takes a body: by cookie, and by API key.
BY_COOKIE = ("/api/session", "/api/subscription-token", "/api/chat/rooms", "/api/chat/rooms/lobby/messages")
BY_KEY = ("/api/publish", "/api/broadcast", "/api/batch", "/api/subscribe", "/api/v1/publications")


@pytest.fixture(scope="module")
def alice(site: Site) -> dict[str, str]:
    return site.sign_in("alice")


def post(site: Site, path: str, alice: dict[str, str], body: bytes, **headers: str) -> Answer:
    credentials = alice if path in BY_COOKIE else {"X-API-Key": API_KEY}
    sent = {**credentials, "Content-Type": "application/json", **headers}
    return site.request("POST", path, headers=sent, body=body)


def is_refused(answer: Answer) -> bool:
    """By a 4xx, or by Centrifugo's way: 200 with a numbered error."""
    return 400 <= answer.status < 500 or (answer.status == 200 and "error" in answer.json)


# ── Sizes and shapes ──────────────────────────────────────────────────────────────────────────

NOT_JSON = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"data":' * DEEP + b"1" + b"}" * DEEP,
    "deep within": b'{"channel":"open:1","data":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "half a pair": b'{"channel":"open:\\ud83d","data":1}',
    "no UTF-8": b'{"channel":"open:\xff","data":1}',
    "a huge number": b'{"channel":"open:1","data":1,"tags":' + b"9" * 5000 + b"}",
    "NaN": b'{"channel":NaN}',
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "a list": b"[]",
    "nothing": b"",
    "a NUL": b'{"username":"\\u0000","password":"x","name":"\\u0000","text":"\\u0000"}',
}


@pytest.mark.parametrize("path", [*BY_COOKIE, *BY_KEY])
def test_what_is_no_request_is_refused_and_hurts_nobody(site: Site, alice: dict[str, str], path: str) -> None:
    for what, body in NOT_JSON.items():
        answer = post(site, path, alice, body)

        assert is_refused(answer), (what, answer)
        # By what it reads, not by what stands before it.
        assert b"csrf_failed" not in answer.body
        assert b"Traceback" not in answer.body
    assert site.request("GET", "/health/ready").status == 200


@pytest.mark.parametrize("path", [BY_COOKIE[0], BY_KEY[0]])
def test_a_body_over_the_limit_is_refused(site: Site, alice: dict[str, str], path: str) -> None:
    answer = post(site, path, alice, b'{"data":"' + b"a" * 900_000 + b'"}')
    announced = site.request("POST", path, headers={**alice, "Content-Length": f"{10**12}"}, body=None)

    assert is_refused(answer)
    assert announced.status == 413


@pytest.mark.parametrize("path", [BY_COOKIE[0], BY_KEY[0]])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_not_unpacked(
    site: Site, alice: dict[str, str], path: str, encoding: str
) -> None:
    """So a bomb is what it weighs: 10 MB of zeros are 10 KB that are no JSON."""
    bomb = gzip.compress(b'{"channel":"open:1","data":"' + b"0" * 10_000_000 + b'"}')

    answer = post(site, path, alice, bomb, **{"Content-Encoding": encoding})

    assert is_refused(answer)


@pytest.mark.parametrize("body", [b"ffffffffffffffff\r\n", b"-1\r\n\r\n", b"zz\r\n\r\n"])
def test_chunks_of_no_size_are_refused(site: Site, body: bytes) -> None:
    head = (
        f"POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1:{site.server.port}\r\nX-API-Key: {API_KEY}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )

    assert b" 200 OK" not in exchange(site, head.encode() + body)


@pytest.mark.parametrize(
    "head",
    [
        # Two lengths, or two ways to tell one: where a proxy and we read different ends, requests hide.
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Bad Name: x",
        "X: a\rb",
        "X: a\x00b",
    ],
)
def test_a_head_of_two_meanings_is_refused(site: Site, head: str) -> None:
    request = f"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1:{site.server.port}\r\n{head}\r\n\r\n0\r\n\r\n"

    answer = exchange(site, request.encode("latin-1") + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")

    # At most one answer, and none that says yes.
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b'"alive"' not in answer


def test_a_request_as_it_should_be_is_carried_out(site: Site, alice: dict[str, str]) -> None:
    assert post(site, "/api/chat/rooms", alice, b'{"name":"Sound room"}').status == 201
    assert post(site, "/api/publish", alice, b'{"channel":"open:1","data":1}').json.keys() == {"result"}


def exchange(site: Site, request: bytes) -> bytes:
    """What comes back until the server closes, or has nothing more to say for a moment."""
    answer = b""
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


# ── Hosts, redirects, injections ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1@evil.example", "evil.example#127.0.0.1", ""])
def test_a_foreign_host_gets_nothing(site: Site, host: str) -> None:
    for path in ("/", "/api/session", "/accounts/password/reset/"):
        answer = site.request("GET", path, headers={"Host": host})

        assert answer.status == 400
        assert b"evil.example" not in answer.body


def test_headers_of_proxies_are_not_believed(site: Site) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1"}

    answer = site.request("GET", "/accounts/login/", headers=forged)

    assert answer.status == 200
    assert b"evil.example" not in answer.body


@pytest.mark.parametrize(
    "path", ["/x%0d%0aSet-Cookie:%20a=1", "/api/%0d%0aX-A:%20b", "/api/<script>alert(1)</script>"]
)
def test_a_path_is_neither_a_header_nor_markup(site: Site, path: str) -> None:
    answer = site.request("GET", path)

    assert answer.status == 404
    assert not {"set-cookie", "x-a"} & set(answer.headers)
    if b"<script>alert" in answer.body:
        # As text in JSON, which no browser takes for a page.
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "DEBUG", "PROPFIND"])
def test_methods_that_nobody_needs_do_nothing(site: Site, alice: dict[str, str], method: str) -> None:
    answer = site.request(method, "/api/session", headers=alice)

    assert answer.status in {400, 403, 405}
    assert alice["Cookie"].encode() not in answer.body


def test_a_way_out_of_the_static_files_leads_nowhere(site: Site) -> None:
    for path in (
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static/..%2f..%2fetc/passwd",
        "/.git/config",
        "/.env",
    ):
        assert site.request("GET", path).status in {400, 404}


def test_an_error_page_tells_nothing_of_the_inside(site: Site) -> None:
    for path in ("/nothing", "/api/nothing", "/accounts/nothing", "/admin/nothing/"):
        body = site.request("GET", path).body
        assert not [
            word for word in (b"Django", b"urlpatterns", b"Traceback", b"settings", b"/work") if word in body
        ]


# ── Guessing ──────────────────────────────────────────────────────────────────────────────────


def test_a_sign_in_does_not_tell_whether_there_is_such_an_account(site: Site) -> None:
    def answer_to(username: str) -> tuple[int, Any]:
        anonymous = site.request("GET", "/api/session")
        cookie = anonymous.headers["set-cookie"].partition(";")[0]
        answer = site.request(
            "POST",
            "/api/session",
            headers={"Cookie": cookie, "X-CSRFToken": anonymous.json["csrf"]},
            body={"username": username, "password": "wrong"},
        )
        return answer.status, answer.json

    assert answer_to("bob") == answer_to("nobody-of-this-name")
    assert answer_to("bob")[0] == 401


@pytest.mark.parametrize(
    "key", ["", "hunter2", f"{API_KEY}x", API_KEY[:-1], "sb_0123456789ab_guess", "\u00ff"]
)
def test_a_wrong_api_key_opens_nothing_in_any_place(site: Site, key: str) -> None:
    for path, headers in (
        ("/api/info", {"X-API-Key": key}),
        ("/api/info", {"Authorization": f"apikey {key}"}),
        (f"/api/info?api_key={quote(key)}", {}),
    ):
        answer = site.request("POST", path, headers=headers, body={})
        assert answer.status == 401
        assert not key or key not in answer.body.decode()
