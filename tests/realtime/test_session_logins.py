"""Connections that hang on a login: by cookie or by token, and how they end with it."""

import json
from typing import Any

import jwt
import pytest

from realtime.control import Control
from realtime.errors import CloseCode
from realtime.limits import Limits
from realtime.logins import Login
from realtime.messages import Command, RefreshRequest, Reply
from realtime.orders import DisconnectSessions, EndLogins, Order
from realtime.testing import FakeClient, ManualNode
from realtime.testing.logins import FakeLogins
from realtime.testing.node import SECRET
from realtime.tokens import LOGIN_CLAIM
from tests.realtime.replies import connected, error_of

UNCHECKED = Limits(login_check_seconds=0, ping_interval_seconds=0)


def make_node(**options: Any) -> tuple[ManualNode, FakeLogins]:
    logins = FakeLogins(first="42", second="42", other="7")
    return ManualNode(logins=logins, **options), logins


def token(node: ManualNode, key: str, *, user: str = "42", ttl_seconds: float = 3600) -> str:
    return node.tokens.connection(user=user, ttl_seconds=ttl_seconds, login=f"sealed {key}")


def make_control(node: ManualNode) -> Control:
    return Control(
        layer=node.layer,
        hub=node.hub,
        sessions=node.sessions,
        namespaces=node.registry,
        clock_ms=lambda: 0,
    )


async def give(node: ManualNode, control: Control, order: Order, *clients: FakeClient) -> None:
    control.hear(control.prepare(order).publication)
    for client in clients:
        await client.connection.run_jobs()


# ── By cookie ─────────────────────────────────────────────────────────────────────────────────


async def test_a_cookie_connects_as_its_user_and_shows_the_name() -> None:
    node, logins = make_node()
    client = node.open(login_key="first")

    result = connected(await client.connect())

    assert client.session.caller.user == "42"
    assert json.loads(client.session.caller.info or b"") == {"name": "Somebody"}
    # There is no token that the client could renew.
    assert (result.expires, result.ttl) == (False, 0)
    assert logins.fetched == 1


async def test_a_cookie_of_no_login_is_no_more_than_none() -> None:
    node, _ = make_node()
    client = node.open(login_key="ended")

    assert error_of(await client.connect()) == 101
    assert client.close_code is None


async def test_a_cookie_that_has_ended_connects_as_nobody_where_nobody_may() -> None:
    node, _ = make_node(allows_anonymous=True)
    client, known = node.open(login_key="ended"), node.open(login_key="first")

    connected(await client.connect())
    connected(await known.connect())

    assert client.session.caller.is_anonymous
    assert known.session.caller.user == "42"


async def test_a_token_goes_before_the_cookie_which_is_then_not_looked_up() -> None:
    node, logins = make_node()
    client = node.open(login_key="first")

    connected(await client.connect(node.token("7")))

    assert client.session.caller.user == "7"
    assert logins.fetched == 0
    assert node.sessions.find_by_login(user="", logins=["id-of-first"]) == []


async def test_a_bad_token_is_not_made_good_by_a_cookie() -> None:
    node, _ = make_node()
    client = node.open(login_key="first")

    await client.connect("bad")

    assert client.close_code is CloseCode.INVALID_TOKEN


# ── By token ──────────────────────────────────────────────────────────────────────────────────


async def test_a_token_of_a_login_connects_while_that_stands() -> None:
    node, logins = make_node()
    mine = token(node, "first")
    connected(await node.open().connect(mine))

    del logins.by_key["first"]
    client = node.open()

    assert error_of(await client.connect(mine)) == 109
    assert client.close_code is None
    connected(await client.connect(token(node, "second")))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"sub": "7", LOGIN_CLAIM: "sealed first"}, id="another's login"),
        pytest.param({"sub": "", LOGIN_CLAIM: "sealed first"}, id="a login for nobody"),
        pytest.param({"sub": "42", LOGIN_CLAIM: {"id": "first"}}, id="no text"),
    ],
)
async def test_a_token_for_the_login_of_another_user_is_bad(claims: dict[str, Any]) -> None:
    node, _ = make_node()
    client = node.open()

    await client.connect(jwt.encode(claims, SECRET, algorithm="HS256"))

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_what_this_site_did_not_seal_is_no_login() -> None:
    node, _ = make_node()
    forged = jwt.encode({"sub": "42", LOGIN_CLAIM: "first"}, SECRET, algorithm="HS256")

    assert error_of(await node.open().connect(forged)) == 109


# ── Ends ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "ended"),
    [
        (EndLogins(logins=("id-of-first",)), {"cookie", "token"}),
        (EndLogins(logins=("id-of-first", "id-of-other")), {"cookie", "token", "other"}),
        (EndLogins(logins=("id-of-unknown",)), set()),
        (EndLogins(user="42"), {"cookie", "token", "second"}),
        (EndLogins(user="42", logins=("id-of-second", "id-of-other")), {"second"}),
        (EndLogins(user="1"), set()),
        (DisconnectSessions(user="42"), {"cookie", "token", "second", "device"}),
    ],
)
async def test_an_order_ends_the_connections_of_its_logins_alone(order: Order, ended: set[str]) -> None:
    node, _ = make_node()
    clients = {
        "cookie": node.open(login_key="first"),
        "token": node.open(),
        "second": node.open(login_key="second"),
        "other": node.open(login_key="other"),
        "device": node.open(),
    }
    tokens = {"token": token(node, "first"), "device": node.token("42")}
    for name, client in clients.items():
        connected(await client.connect(tokens.get(name, "")))

    await give(node, make_control(node), order)

    assert {name for name, client in clients.items() if client.close_code is not None} == ended
    expected = CloseCode.INVALID_TOKEN if isinstance(order, EndLogins) else CloseCode.FORCE_NO_RECONNECT
    assert {client.close_code for client in clients.values()} <= {expected, None}


@pytest.mark.parametrize("order", [EndLogins(logins=("id-of-first",)), DisconnectSessions(user="42")])
@pytest.mark.parametrize("with_token", [False, True], ids=["cookie", "token"])
async def test_a_login_that_ends_while_it_is_looked_up_opens_nothing(order: Order, with_token: bool) -> None:
    node, logins = make_node()
    control = make_control(node)
    look_up = logins.fetch

    async def end_meanwhile(key: str) -> Login | None:
        login = await look_up(key)
        if logins.by_key.pop(key, None):
            await give(node, control, order)
        return login

    logins.fetch = end_meanwhile  # type: ignore[method-assign]  # The store's answer.
    client = node.open(login_key="first")

    code = error_of(await client.connect(token(node, "first") if with_token else ""))

    assert code == (109 if with_token else 101)
    assert logins.fetched == 2
    assert node.sessions.connected == 0


async def test_a_refreshed_connection_hangs_on_the_login_of_its_new_token() -> None:
    node, _ = make_node()
    client, control = node.open(), make_control(node)
    connected(await client.connect(token(node, "first")))

    await client.command(Command(refresh=RefreshRequest(token=token(node, "second"))))

    await give(node, control, EndLogins(logins=("id-of-first",)))
    assert client.close_code is None
    await give(node, control, EndLogins(logins=("id-of-second",)))
    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_nothing_of_a_login_is_left_when_its_connections_are_gone() -> None:
    node, _ = make_node()
    clients = [node.open(login_key="first") for _ in range(3)]
    for client in clients:
        connected(await client.connect())

    for client in clients:
        await client.session.close()

    assert node.sessions._by_login == {}
    assert node.sessions._login_of == {}


# ── Checks ────────────────────────────────────────────────────────────────────────────────────


async def test_a_login_that_ended_without_a_word_ends_its_connections_at_the_next_check() -> None:
    node, logins = make_node(limits=Limits(login_check_seconds=60, ping_interval_seconds=0))
    by_cookie, by_token = node.open(login_key="first"), node.open()
    connected(await by_cookie.connect())
    connected(await by_token.connect(token(node, "first")))
    await node.advance(75, by_cookie, by_token)
    assert (by_cookie.close_code, by_token.close_code, logins.fetched) == (None, None, 4)

    del logins.by_key["first"]
    await node.advance(44, by_cookie, by_token)
    assert (by_cookie.close_code, by_token.close_code) == (None, None)
    await node.advance(31, by_cookie, by_token)

    assert (by_cookie.close_code, by_token.close_code) == (CloseCode.INVALID_TOKEN,) * 2


async def test_connections_that_came_at_once_do_not_check_at_once() -> None:
    node, _ = make_node(limits=Limits(login_check_seconds=60, ping_interval_seconds=0))
    clients = [node.open(login_key="first") for _ in range(20)]
    for client in clients:
        connected(await client.connect())

    deadlines = [client.session.next_deadline or 0 for client in clients]

    assert len(set(deadlines)) == 20
    assert all(45 <= deadline - node.clock() <= 75 for deadline in deadlines)


async def test_a_check_that_fails_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    node, logins = make_node(limits=Limits(login_check_seconds=60, ping_interval_seconds=0))
    client = node.open(login_key="first")
    connected(await client.connect())
    look_up = logins.fetch

    async def fail(key: str) -> Login | None:
        raise OSError("no database")

    logins.fetch = fail  # type: ignore[method-assign]  # The store's answer.
    with pytest.raises(OSError, match="no database"):
        await node.advance(75, client)
    assert client.close_code is None

    logins.fetch = look_up  # type: ignore[method-assign]  # The store's answer.
    del logins.by_key["first"]
    await node.advance(75, client)

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_where_orders_were_missed_every_login_is_looked_up_again() -> None:
    node, logins = make_node(limits=UNCHECKED)
    ended, standing, device = node.open(login_key="first"), node.open(login_key="second"), node.open()
    for client in (ended, standing, device):
        connected(await client.connect(node.token("42") if client is device else ""))
    del logins.by_key["first"]

    make_control(node).lost()
    for client in (ended, standing, device):
        await client.connection.run_jobs()

    assert [client.close_code for client in (ended, standing, device)] == [
        CloseCode.INVALID_TOKEN,
        None,
        None,
    ]
    assert logins.fetched == 4


async def test_a_session_s_end_is_checked_when_it_comes() -> None:
    node, logins = make_node(limits=UNCHECKED)
    ends_at = node.unix_now() + 100
    logins.by_key["first"] = Login(id="id-of-first", user="42", info=b"{}", expires_at=ends_at)
    client = node.open(login_key="first")
    connected(await client.connect())

    # Used meanwhile, and so prolonged.
    logins.by_key["first"] = Login(id="id-of-first", user="42", info=b"{}", expires_at=ends_at + 50)
    await node.advance(100, client)
    assert (client.close_code, logins.fetched) == (None, 2)
    del logins.by_key["first"]
    await node.advance(50, client)

    assert client.close_code is CloseCode.INVALID_TOKEN


async def test_who_hangs_on_no_login_is_not_checked() -> None:
    node, logins = make_node(limits=Limits(ping_interval_seconds=0))
    client = await node.connect("42")

    assert client.session.next_deadline is not None, "the token's own end"
    await node.advance(3000, client)

    assert (client.close_code, logins.fetched) == (None, 0)
    assert client.connection.received.count(Reply()) == 0
