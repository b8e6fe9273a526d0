"""Fetches a provider's keys by HTTP: bounded in size and time, and never to another address than asked."""

import time
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from realtime.errors import ConfigurationError
from realtime.keys.remote import MAX_BYTES

TIMEOUT_SECONDS = 5.0
_CHUNK_BYTES = 16_384
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _NoRedirects(HTTPRedirectHandler):
    """Where an answer points to is nobody's setting: it could be a host of this network."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def check_url(url: str) -> None:
    """Raises ConfigurationError but for https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        is_good = host is not None and (
            parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(
            "not a URL of public keys: expected https://… (or http:// on this machine, for tests)"
        )


def download(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES) -> bytes:
    """Blocks, for `timeout_seconds` in all. Raises OSError or ValueError."""
    deadline = time.monotonic() + timeout_seconds
    handlers: list[Any] = [_NoRedirects()]
    if urlsplit(url).hostname in _LOOPBACK:
        handlers.append(ProxyHandler({}))
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 -- check_url() has seen it.
    chunks: list[bytes] = []
    size = 0
    try:
        with build_opener(*handlers).open(request, timeout=timeout_seconds) as response:
            # The socket's timeout is for each read: a server that sends a byte a second would never end.
            while chunk := response.read1(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise ValueError(f"more than {max_bytes} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not finished within {timeout_seconds:g} s")
                chunks.append(chunk)
    except HTTPException as error:
        raise OSError(f"no HTTP answer: {type(error).__name__}") from error
    return b"".join(chunks)
