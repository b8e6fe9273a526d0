"""Which changes in the database end which connections, and when the order goes out."""

from datetime import timedelta

import jwt
import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime import login_ends
from realtime.errors import LayerUnavailable, PublishUnavailable
from realtime.login_store import login_id
from realtime.orders import DisconnectSessions, EndLogins, Order
from realtime.runtime import get_runtime
from realtime.tokens import LOGIN_CLAIM
from tests.accounts import PASSWORD, browser_of, make_user

pytestmark = pytest.mark.django_db(transaction=True)


class FakeRuntime:
    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.error: Exception | None = None

    def send_order_in_time(self, order: Order) -> None:
        if self.error is not None:
            raise self.error
        self.orders.append(order)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime()
    monkeypatch.setattr(login_ends, "get_runtime", lambda: fake)
    return fake


def key_of(browser: Client) -> str:
    return str(browser.session.session_key)


def test_signing_out_ends_that_login(runtime: FakeRuntime) -> None:
    browser, other = (browser_of(user) for user in [make_user()] * 2)
    key = key_of(browser)

    browser.logout()

    assert runtime.orders == [EndLogins(logins=(login_id(key),))]
    assert key_of(other) != key


def test_a_deleted_session_ends_its_login(runtime: FakeRuntime) -> None:
    keys = [key_of(browser_of(user)) for user in (make_user("alice"), make_user("bob"))]

    Session.objects.all().delete()

    assert {order.logins for order in runtime.orders if isinstance(order, EndLogins)} == {
        (login_id(key),) for key in keys
    }


def test_visitors_and_old_sessions_that_are_cleared_end_nothing(runtime: FakeRuntime) -> None:
    key_of(browser_of(make_user()))
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    visitor = Client().session
    visitor["basket"] = [1]
    visitor.save()

    call_command("clearsessions")
    visitor.delete()

    assert Session.objects.count() == 0
    assert runtime.orders == []


def test_a_changed_password_ends_all_logins_of_the_account(runtime: FakeRuntime) -> None:
    user = make_user()

    user.set_password("another password")
    user.save()
    user.save()

    assert runtime.orders == [EndLogins(user=str(user.pk))]


def test_who_changes_the_password_stays_signed_in_with_another_key(runtime: FakeRuntime) -> None:
    user = make_user()
    browser = browser_of(user)
    request, old = HttpRequest(), key_of(browser)
    request.session, request.user = browser.session, user
    user.set_password("another password")
    user.save()

    update_session_auth_hash(request, user)

    assert runtime.orders == [EndLogins(user=str(user.pk)), EndLogins(logins=(login_id(old),))]


def test_a_deactivated_account_is_disconnected_and_so_is_a_deleted_one(runtime: FakeRuntime) -> None:
    user = make_user()
    pk = str(user.pk)

    user.is_active = False
    user.save(update_fields=["is_active"])
    user.delete()

    assert runtime.orders == [DisconnectSessions(user=pk)] * 2


def test_accounts_deleted_in_one_go_are_disconnected_each(runtime: FakeRuntime) -> None:
    users = {str(make_user(name).pk) for name in ("alice", "bob")}

    User.objects.all().delete()

    assert {order.user for order in runtime.orders} == users


def test_other_changes_of_an_account_end_nothing(runtime: FakeRuntime) -> None:
    user = make_user()
    user.first_name = "Alice"
    user.save()
    user.is_active = False
    # Not written, and so not changed.
    user.save(update_fields=["first_name"])
    user.refresh_from_db()
    user.is_active = True
    user.save()
    make_user("bob")

    assert runtime.orders == []


def test_signing_in_costs_no_query_more(runtime: FakeRuntime) -> None:
    user = make_user()
    user.last_login = timezone.now()

    with CaptureQueriesContext(connection) as queries:
        user.save(update_fields=["last_login"])

    assert [query["sql"].split()[0] for query in queries if "auth_user" in query["sql"]] == ["UPDATE"]


def test_the_order_goes_out_with_the_commit_and_not_at_all_without(runtime: FakeRuntime) -> None:
    user, browser = make_user(), browser_of(None)
    browser.force_login(user)

    with transaction.atomic():
        Session.objects.all().delete()
        user.is_active = False
        user.save()
        assert runtime.orders == []
        transaction.set_rollback(True)
    assert runtime.orders == []

    user.refresh_from_db()
    with transaction.atomic():
        user.is_active = False
        user.save()
    assert runtime.orders == [DisconnectSessions(user=str(user.pk))]


def test_the_order_goes_out_after_the_row_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    seen: list[bool] = []

    def look(_: Order) -> None:
        seen.append(User.objects.get(pk=user.pk).is_active)

    monkeypatch.setattr(login_ends, "_send", look)

    user.is_active = False
    user.save()

    assert seen == [False]


@pytest.mark.parametrize(
    "error", [PublishUnavailable("nobody"), LayerUnavailable("away"), TimeoutError("stuck")]
)
def test_signing_out_does_not_fail_where_nobody_can_be_told(
    runtime: FakeRuntime, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.error = error
    browser = browser_of(make_user())

    with caplog.at_level("INFO"):
        browser.logout()

    assert "connections of an ended login are not told" in caplog.text
    assert Session.objects.count() == 0


def test_a_session_revoked_from_the_list_of_sessions_ends_its_login(runtime: FakeRuntime) -> None:
    user = make_user()
    key = key_of(browser_of(user))
    listed = UserSession.objects.create(user=user, ip="127.0.0.1", session_key=key, user_agent="")

    listed.end()

    assert runtime.orders == [EndLogins(logins=(login_id(key),))]


def test_an_app_that_signs_out_ends_its_login(runtime: FakeRuntime) -> None:
    user, app = make_user(), Client()
    answer = app.post(
        "/_allauth/app/v1/auth/login",
        {"username": user.username, "password": PASSWORD},
        content_type="application/json",
    )
    headers = {"X-Session-Token": answer.json()["meta"]["session_token"]}
    app.cookies.clear()
    minted = app.post("/api/connection-token", headers=headers).json()["token"]
    claims = jwt.decode(minted, options={"verify_signature": False})
    key = get_runtime().logins.unseal(claims[LOGIN_CLAIM])

    app.delete("/_allauth/app/v1/auth/session", headers=headers)

    assert runtime.orders == [EndLogins(logins=(login_id(key),))]
