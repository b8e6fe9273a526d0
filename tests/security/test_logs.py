"""No secret stands in the log, even where everything is logged: not ours, our users' or other servers'."""

import pytest

from tests.raw_client import raw_client
from tests.security.conftest import API_KEY, Site
from tests.tokens import sign

# The server is started once.
pytestmark = pytest.mark.xdist_group("security")


async def test_no_secret_is_logged_at_the_loudest_level(site: Site) -> None:
    """The server of these tests logs at DEBUG: each frame and each header, as libraries do."""
    start = len(site.server.log.read_text())
    token, expired, forged = (
        sign(sub="logged"), sign(sub="logged", ttl_seconds=-60), sign(sub="logged", secret="x" * 40),
    )  # fmt: skip
    guess, password = "guessed-key-4f7a", "wrong-password-4f7a"
    session = site.sign_in("alice")

    for credentials in ({"X-API-Key": API_KEY}, {"Authorization": f"apikey {API_KEY}"}, {"X-API-Key": guess}):
        site.request("POST", "/api/info", headers=credentials, body={})
    for key in (API_KEY, guess):
        site.request("POST", f"/api/info?api_key={key}", body={})
        site.request("GET", f"/nothing?api_key={key}&token={token}")
    site.request("POST", "/api/session", headers=session, body={"username": "bob", "password": password})
    site.request("POST", "/api/session", headers=session, body=b'{"password": "' + password.encode())
    for each in (token, expired, forged):
        async with raw_client(
            f"{site.server.ws}?token={each}", origin=site.server.http, additional_headers=session
        ) as client:
            await client.send({"id": 1, "connect": {"token": each}})
            await (client.receive_close() if each is forged else client.receive())
    site.call("disconnect", {"user": "logged"})

    log = site.server.log.read_text()[start:]
    # It does log.
    assert "client misbehaved" in log
    secrets = {
        "an API key": API_KEY, "a wrong API key": guess, "a password": password,
        "a session": session["Cookie"].partition("sessionid=")[2].partition(";")[0],
        "a token against forged requests": session["X-CSRFToken"],
        **{f"a token's end, {token[-8:]}": token[-20:] for token in (token, expired, forged)},
        "a token's begin": token[:60],
    }  # fmt: skip
    assert [what for what, secret in secrets.items() if secret in log] == []


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_the_demos_passwords_are_not_logged(site: Site, name: str) -> None:
    assert f"{name}-demo" not in site.server.log.read_text()
