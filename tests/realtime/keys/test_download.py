"""Fetching keys over HTTP, from servers that behave and servers that do not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from realtime.errors import ConfigurationError
from realtime.keys.download import check_url, download


@contextmanager
def provider(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks"
        finally:
            server.shutdown()
            serving.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, location: str = "") -> None:
    handler.send_response(status)
    if location:
        handler.send_header("Location", location)
    handler.end_headers()
    handler.wfile.write(body)


def test_the_body_of_the_answer_is_given_back() -> None:
    with provider(lambda handler: send(handler, b"{}" * 20_000)) as url:
        assert download(url) == b"{}" * 20_000


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    with (
        provider(lambda handler: send(handler, b" " * 100_000)) as url,
        pytest.raises(ValueError, match="more than 50000 bytes"),
    ):
        download(url, max_bytes=50_000)


def test_an_answer_that_trickles_is_given_up() -> None:
    left = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"")
        while not left.wait(0.02):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    with provider(trickle) as url:
        try:
            with pytest.raises(TimeoutError):
                download(url, timeout_seconds=0.2)
        finally:
            left.set()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_anything_but_an_answer_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, b"{}", status=status, location="/elsewhere")

    with provider(answer) as url, pytest.raises(OSError, match=str(status)):
        download(url)

    assert asked == ["/jwks"]


def test_a_server_that_is_not_there_is_a_failure() -> None:
    with provider(lambda handler: send(handler, b"")) as url:
        pass

    with pytest.raises(OSError, match="refused"):
        download(url)


@pytest.mark.parametrize(
    "url", ["https://id.example.com/keys", "http://127.0.0.1:8000/", "http://localhost/"]
)
def test_keys_come_over_https_or_from_this_machine(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://id.example.com/", "file:///etc/passwd", "ftp://127.0.0.1/", "//x", "https://", "https://["],
)
def test_keys_come_from_nowhere_else(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected https"):
        check_url(url)
