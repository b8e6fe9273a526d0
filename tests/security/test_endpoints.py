"""Each address of the site: who comes in, who does not, and that no foreign page can act for a visitor.

The table is routes.py; an address without a row there fails here.
"""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.accounts import browser_of, make_user
from tests.security.routes import DOORS, Door, door_of, fill, routes

pytestmark = pytest.mark.django_db

UNSAFE = ("post", "put", "patch", "delete")
REFUSED = {401, 403}
# Nothing is there, nothing that this method could do, or nothing that could be gone on with.
NOTHING = {404, 405, 409, 410}
Found = dict[tuple[str, str], int]


def behind(*doors: Door) -> list[str]:
    return [route for route in routes() if door_of(route) in doors]


def ask(browser: Client, method: str, route: str) -> Any:
    options = {} if method == "get" else {"content_type": "application/json"}
    return getattr(browser, method)(fill(route), **options)


def refuses(answer: Any) -> bool:
    """401, 403, or the way to the sign-in page."""
    return answer.status_code in REFUSED or (
        answer.status_code == 302
        and str(answer.headers["Location"]).startswith(
            ("/accounts/login/", "/admin/login/", "/accounts/2fa/")
        )
    )


def test_every_address_has_a_row() -> None:
    known = set(DOORS)
    found = {route for route in routes() if not route.startswith("admin/")}

    assert found - known == set(), "new addresses need a row in tests/security/routes.py"
    assert known - found == set(), "rows of addresses that are gone"


def test_a_stranger_is_not_let_in() -> None:
    let_in: Found = {}
    for route in behind(Door.OWN, Door.STAFF, Door.KEY, Door.APP):
        answers = {method: ask(Client(), method, route) for method in ("get", *UNSAFE)}
        for method, answer in answers.items():
            if not refuses(answer) and answer.status_code not in NOTHING:
                let_in[route, method] = answer.status_code
        if not any(refuses(answer) for answer in answers.values()):
            let_in[route, "all"] = 0

    assert let_in == {}


def test_a_member_is_not_let_into_the_admin() -> None:
    let_in: Found = {}
    member = browser_of(make_user())
    for route in behind(Door.STAFF):
        for method in ("get", "post"):
            answer = ask(member, method, route)
            if not refuses(answer) and answer.status_code not in NOTHING:
                let_in[route, method] = answer.status_code

    assert let_in == {}


def test_a_cookie_opens_nothing_that_is_for_servers_and_apps() -> None:
    let_in: Found = {}
    admin = browser_of(make_user(is_admin=True))
    for route in behind(Door.KEY, Door.APP):
        for method in ("get", *UNSAFE):
            status = ask(admin, method, route).status_code
            if status not in REFUSED | NOTHING:
                let_in[route, method] = status

    assert let_in == {}


def test_a_foreign_page_cannot_act_for_its_visitor() -> None:
    """Before anything is looked at: not even a refusal by what is inside tells the page something."""
    acted: Found = {}
    admin = Client(enforce_csrf_checks=True)
    admin.force_login(make_user(is_admin=True))
    for route in behind(Door.PUBLIC, Door.OWN, Door.LINK, Door.STAFF):
        for method in UNSAFE:
            status = ask(admin, method, route).status_code
            if status != 403 and status not in NOTHING:
                acted[route, method] = status

    assert acted == {}
    assert admin.get("/api/session").json()["user"] is not None


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_no_address_fails_or_tells_its_inside(is_signed_in: bool) -> None:
    wrong: Found = {}
    admin = make_user(is_admin=True)
    # The admin's are Django's, for staff, and many.
    for route in [route for route in routes() if not route.startswith("admin/")]:
        for method in ("get", "post"):
            # Anew for each: some of them sign out.
            browser = browser_of(admin if is_signed_in else None)
            browser.raise_request_exception = False
            answer = ask(browser, method, route)
            body = b"" if answer.streaming else answer.content
            if (
                (answer.status_code >= 500 and answer.status_code != 503)
                or b"Traceback" in body
                or b"DEBUG = True" in body
                or {"Server", "X-Powered-By"} & set(answer.headers)
            ):
                wrong[route, method] = answer.status_code

    assert wrong == {}


# ── Things of others ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def mallory() -> Client:
    return browser_of(make_user("mallory"))


def test_the_parameters_of_own_addresses_are_all_looked_at() -> None:
    """Each has its test below. Rooms are for all members; API keys have their namespaces."""
    with_parameter = {route for route in behind(Door.OWN) if "<" in route}

    assert with_parameter == {
        "api/chat/rooms/<slug>/messages",
        "accounts/2fa/webauthn/keys/<int:pk>/remove/",
        "accounts/2fa/webauthn/keys/<int:pk>/edit/",
    }


@pytest.mark.parametrize("what", ["remove", "edit"])
def test_anothers_second_factor_is_not_there(mallory: Client, alice: User, what: str) -> None:
    from allauth.mfa.models import Authenticator  # noqa: PLC0415  # Only once Django is set up.

    key = Authenticator.objects.create(
        user=alice, type=Authenticator.Type.WEBAUTHN, data={"name": "Alice's", "credential": {}}
    )

    answer = mallory.post(f"/accounts/2fa/webauthn/keys/{key.pk}/{what}/", {"name": "Mallory's"})

    assert refuses(answer) or answer.status_code in {302, 404}
    key.refresh_from_db()
    assert key.data["name"] == "Alice's"


@pytest.mark.parametrize("what", ["action_primary", "action_remove", "action_send"])
def test_anothers_address_is_not_touched(mallory: Client, alice: User, what: str) -> None:
    from allauth.account.models import EmailAddress  # noqa: PLC0415  # Only once Django is set up.

    theirs = EmailAddress.objects.create(user=alice, email="alice@example.com", verified=True, primary=True)

    mallory.post("/accounts/email/", {"email": theirs.email, what: ""})

    theirs.refresh_from_db()
    assert (theirs.user_id, theirs.verified, theirs.primary) == (alice.pk, True, True)
    assert not EmailAddress.objects.exclude(user=alice).filter(email=theirs.email).exists()


def test_anothers_session_is_not_ended(mallory: Client, alice: User) -> None:
    browser = browser_of(alice)
    assert browser.get("/api/session").json()["user"] is not None

    mallory.post("/accounts/sessions/", {})

    assert browser.get("/api/session").json()["user"]["username"] == "alice"
