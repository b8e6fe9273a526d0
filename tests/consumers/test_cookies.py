"""Whose cookies count: a page of this site brings its login along, and no other page can."""

from typing import Any

import pytest

from consumers.cookies import LOGIN_KEY, CookieLogins

COOKIE = b"theme=dark; sessionid=secretkey; csrftoken=x"


def read(
    *,
    origin: bytes | None,
    cookie: bytes | None = COOKIE,
    host: bytes = b"chat.example.com",
    allowed: tuple[str, ...] = (),
    needs_https: bool = False,
) -> str:
    seen: list[str] = []
    application: Any = CookieLogins(
        lambda scope, receive, send: seen.append(scope.get(LOGIN_KEY, "")),
        cookie_name="sessionid",
        allowed_origins=allowed,
        needs_https=needs_https,
    )
    headers = [(b"host", host), (b"origin", origin), (b"cookie", cookie)]
    scope = {"type": "websocket", "headers": [(name, value) for name, value in headers if value is not None]}
    before = dict(scope)
    application(scope, None, None)
    assert scope == before
    return seen[0]


@pytest.mark.parametrize("needs_https", [False, True])
def test_a_page_of_the_same_host_brings_its_login(needs_https: bool) -> None:
    assert read(origin=b"https://chat.example.com", needs_https=needs_https) == "secretkey"


def test_a_page_of_an_origin_that_is_allowed_by_name_brings_it_too() -> None:
    allowed = ("https://app.example.com", "https://.example.org")

    assert read(origin=b"https://app.example.com", allowed=allowed) == "secretkey"
    assert read(origin=b"https://deep.example.org", allowed=allowed) == "secretkey"


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(None, id="no origin"),
        pytest.param(b"", id="an empty origin"),
        pytest.param(b"null", id="null"),
        pytest.param(b"https://evil.example", id="foreign"),
        pytest.param(b"https://chat.example.com.evil.example", id="longer"),
        pytest.param(b"https://evil.example/?https://chat.example.com", id="named behind"),
        pytest.param(b"https://[", id="unreadable"),
        pytest.param(b"chat.example.com", id="no scheme"),
    ],
)
@pytest.mark.parametrize("allowed", [(), ("*",), ("https://app.example.com", "*")])
def test_no_other_page_does_and_a_wildcard_does_not_help(
    origin: bytes | None, allowed: tuple[str, ...]
) -> None:
    assert read(origin=origin, allowed=allowed) == ""


def test_cookies_for_https_serve_no_page_that_anybody_on_the_way_may_have_written() -> None:
    assert read(origin=b"http://chat.example.com", needs_https=True) == ""
    assert read(origin=b"http://chat.example.com", needs_https=False) == "secretkey"


@pytest.mark.parametrize("cookie", [None, b"", b"sessionid", b"sessionid=", b"other=1", b"\xff\xfe=1; =="])
def test_without_the_cookie_there_is_no_login(cookie: bytes | None) -> None:
    assert read(origin=b"https://chat.example.com", cookie=cookie) == ""
