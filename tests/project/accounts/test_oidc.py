"""Signing in with another site's account, at a real OpenID Connect provider."""

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from project.settings import accounts, environment
from tests.accounts import make_user
from tests.oidc.provider import ADDRESS, PASSWORD, USERNAME, Provider
from tests.project.accounts.visits import confirm_address, fetch_username, prove_it_again, sign_in
from tests.servers import Server

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/oidc/acme/login/"


@pytest.fixture(scope="module")
def running_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    servers: list[Server] = []

    def make(**options: object) -> Server:
        servers.append(Server(log=tmp_path_factory.mktemp("provider") / "server.log", **options))  # type: ignore[arg-type]  # As conftest's.
        return servers[-1]

    try:
        yield Provider(make, redirect_uris=[f"http://testserver{LOGIN}callback/"])
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
def provider(running_provider: Provider, settings: Settings) -> Provider:
    """The provider, which this site knows."""
    providers = environment.OIDC_PROVIDERS.read(running_provider.environment)
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": accounts.oidc_apps(providers)}
    }
    return running_provider


def leave(browser: Client, *, process: str = "login") -> str:
    """Where the site sends a browser that asks for the provider."""
    page = browser.post(f"{LOGIN}?process={process}")
    assert page.status_code == 200
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', page.content.decode())
    assert found is not None
    return html.unescape(found[1])


def sign_in_there(provider: Provider, location: str) -> str:
    """As a browser at the provider; returns where it is sent back to, as a path."""
    with requests.Session() as visitor:
        page = visitor.get(location, timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        form = {
            "csrfmiddlewaretoken": token[1],
            "login": USERNAME,
            "password": PASSWORD,
            "next": parse_qs(urlsplit(page.url).query)["next"][0],
        }
        answer = visitor.post(f"{provider.url}/accounts/login/", form, allow_redirects=False, timeout=20)
        answer = visitor.get(f"{provider.url}{answer.headers['Location']}", allow_redirects=False, timeout=20)
    back = answer.headers["Location"]
    assert back.startswith(f"http://testserver{LOGIN}callback/"), back
    return back.removeprefix("http://testserver")


def test_stranger_signs_in_with_an_account_of_the_provider(client: Client, provider: Provider) -> None:
    assert "Continue with Acme" in client.get("/accounts/login/").content.decode()

    location = leave(client)
    assert location.startswith(f"{provider.url}/")
    # RFC 7636: who only sees the code cannot use it.
    assert parse_qs(urlsplit(location).query)["code_challenge_method"] == ["S256"]
    client.get(sign_in_there(provider, location))

    assert fetch_username(client) == "dora"
    user = User.objects.get(username="dora")
    assert (user.email, user.first_name, user.has_usable_password()) == (ADDRESS, "Dora", False)
    # The second time it is the same account.
    other = Client()
    other.get(sign_in_there(provider, leave(other)))
    assert fetch_username(other) == "dora"
    assert User.objects.count() == 1


def test_answer_to_somebody_elses_question_opens_nothing(provider: Provider) -> None:
    attacker, victim = Client(), Client()
    back = sign_in_there(provider, leave(attacker))

    page = victim.get(back)

    assert fetch_username(victim) is None
    assert page.status_code in {200, 401, 403}


def test_same_address_at_the_provider_does_not_open_an_account_here(
    client: Client, provider: Provider
) -> None:
    owner = make_user("owner")
    confirm_address(owner, ADDRESS)

    client.get(sign_in_there(provider, leave(client)))

    assert fetch_username(client) != "owner"
    assert not SocialAccount.objects.filter(user=owner).exists()


def test_owner_connects_the_two_and_signs_in_by_either(client: Client, provider: Provider) -> None:
    make_user("owner")
    sign_in(client, "owner")
    prove_it_again(client)
    client.get(sign_in_there(provider, leave(client, process="connect")))

    other = Client()
    other.get(sign_in_there(provider, leave(other)))

    assert fetch_username(other) == "owner"


def test_provider_that_is_away_is_told_as_such(client: Client, settings: Settings, db: None) -> None:
    entry = environment.OidcProvider(id="acme", name="Acme", server_url="http://127.0.0.1:9", client_id="x")
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": accounts.oidc_apps([entry])}}

    page = client.post(LOGIN, follow=True)

    assert page.redirect_chain == [("/accounts/login/", 302)]
    assert "That provider cannot be reached now" in page.content.decode()


def test_unknown_provider_is_not_found(client: Client, db: None) -> None:
    assert client.post("/accounts/oidc/other/login/").status_code == 404
