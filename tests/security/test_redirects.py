"""Nobody is sent to a foreign page by a link or a form of ours, before signing in, while, or after."""

import pytest
from django.test import Client

from tests.accounts import PASSWORD, browser_of, make_user

pytestmark = pytest.mark.django_db

TARGETS = (
    "https://evil.example/", "//evil.example/", "/\\evil.example", "///evil.example", "https:evil.example",
    "javascript:alert(1)", "\thttps://evil.example/", "http://testserver@evil.example/",
)  # fmt: skip
SIGN_INS = ("/accounts/login/", "/admin/login/")
SIGN_OUTS = ("/accounts/logout/", "/admin/logout/")


def assert_stays(answer: object) -> None:
    location = getattr(answer, "headers", {}).get("Location", "/")
    assert location.startswith("/"), location
    assert not location.startswith(("//", "/\\")), location


@pytest.mark.parametrize("target", TARGETS)
def test_signing_in_and_out_lead_to_pages_of_ours(target: str) -> None:
    admin = make_user("admin", is_admin=True)
    credentials = {"login": "admin", "username": "admin", "password": PASSWORD}
    for path in SIGN_INS:
        answer = Client().post(path, {**credentials, "next": target}, query_params={"next": target})
        assert answer.status_code == 302
        assert_stays(answer)
        # Who is signed in already is sent on at once.
        assert_stays(browser_of(admin).get(path, {"next": target}))
    for path in SIGN_OUTS:
        answer = browser_of(admin).post(path, {"next": target}, query_params={"next": target})
        assert_stays(answer)


@pytest.mark.parametrize("target", TARGETS)
def test_no_page_links_to_what_stood_in_its_address(target: str) -> None:
    for path in (*SIGN_INS, "/accounts/signup/", "/accounts/password/reset/"):
        page = Client().get(path, {"next": target})

        assert f'href="{target}"' not in page.text
        assert f"url={target}" not in page.text
