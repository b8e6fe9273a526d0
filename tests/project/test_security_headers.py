"""Every answer carries the headers that bind browsers, whoever gives it."""

import pytest
from django.test import AsyncClient, Client

PATHS = ("/", "/api/session", "/api/nothing", "/nothing", "/health/live", "/static/admin/css/base.css")


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


@pytest.mark.django_db
async def test_an_async_server_gives_the_same(async_client: AsyncClient) -> None:
    answer = await async_client.get("/api/session")

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_the_page_of_our_own_forbids_html_by_script(client: Client) -> None:
    assert "require-trusted-types-for 'script'" in client.get("/").headers["Content-Security-Policy"]
    assert "trusted-types" not in client.get("/admin/login/").headers["Content-Security-Policy"]
