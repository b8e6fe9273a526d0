"""The sessions of a process: counted, found by user, and closed in a spread."""

import pytest

from realtime.errors import CloseCode, Disconnect
from realtime.limits import Limits
from realtime.sessions import Sessions
from tests.realtime.sessions import FakeSession


def test_a_process_takes_no_more_connections_than_it_may() -> None:
    sessions, first = Sessions(limits=Limits(max_connections=2)), FakeSession()
    sessions.open(first)
    sessions.open(FakeSession())

    with pytest.raises(Disconnect) as caught:
        sessions.open(FakeSession())

    assert caught.value.code is CloseCode.CONNECTION_LIMIT
    sessions.close(first)
    sessions.open(FakeSession())
    assert len(sessions) == 2


def test_a_user_has_no_more_connections_than_allowed() -> None:
    sessions, first = Sessions(limits=Limits(max_connections_per_user=1)), FakeSession()
    sessions.open(first)
    sessions.claim(first, "alice")
    second = FakeSession()
    sessions.open(second)

    with pytest.raises(Disconnect) as caught:
        sessions.claim(second, "alice")

    assert caught.value.code is CloseCode.CONNECTION_LIMIT
    sessions.claim(second, "bob")
    sessions.close(first)
    third = FakeSession()
    sessions.claim(third, "alice")
    assert sessions.of_user("alice") == [third]


def test_anonymous_clients_share_no_limit() -> None:
    sessions = Sessions(limits=Limits(max_connections_per_user=1))

    for _ in range(3):
        sessions.claim(FakeSession(), "")

    assert len(sessions.of_user("")) == 3


def test_a_session_that_claims_another_user_is_counted_once() -> None:
    sessions, session = Sessions(limits=Limits()), FakeSession()
    sessions.claim(session, "alice")

    sessions.claim(session, "bob")

    assert (sessions.of_user("alice"), sessions.of_user("bob")) == ([], [session])


def test_nothing_is_left_of_a_session_that_closed() -> None:
    sessions, session = Sessions(limits=Limits()), FakeSession()
    sessions.open(session)
    sessions.claim(session, "alice")

    sessions.close(session)
    sessions.close(session)

    assert (len(sessions), list(sessions), sessions.of_user("alice")) == (0, [], [])
    assert (sessions._by_user, sessions._by_client, sessions._user_of) == ({}, {}, {})


def test_a_session_is_found_by_its_user_and_by_its_client() -> None:
    sessions, first, second, stranger = Sessions(limits=Limits()), FakeSession(), FakeSession(), FakeSession()
    for session, user in ((first, "alice"), (second, "alice"), (stranger, "")):
        sessions.claim(session, user)

    assert set(sessions.find(user="alice")) == {first, second}
    assert sessions.find(user="alice", client=second.caller.client) == [second]
    assert sessions.find(user="", client=stranger.caller.client) == [stranger]
    assert sessions.find(user="bob", client=second.caller.client) == []
    assert sessions.find(user="alice", client="nobody's") == []


def test_sessions_and_users_are_counted_once_they_are_known() -> None:
    sessions, session, stranger = Sessions(limits=Limits()), FakeSession(), FakeSession()
    for each in (session, stranger, FakeSession()):
        sessions.open(each)
    sessions.claim(session, "alice")
    sessions.claim(session, "bob")
    sessions.claim(stranger, "")

    assert (len(sessions), sessions.connected, sessions.users) == (3, 2, 1)


@pytest.mark.parametrize(("count", "most_steps"), [(0, 1), (1, 1), (5, 5), (1000, 100)])
async def test_draining_closes_all_evenly_over_the_spread(count: int, most_steps: int) -> None:
    sessions, slept, open_after = Sessions(limits=Limits()), [0.0], []
    fakes = [FakeSession() for _ in range(count)]
    for fake in fakes:
        sessions.open(fake)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        open_after.append(sum(fake.code is None for fake in fakes))

    await sessions.drain(code=CloseCode.SHUTDOWN, spread_seconds=1, sleep=sleep)

    assert {fake.code for fake in fakes} <= {CloseCode.SHUTDOWN}
    assert len(slept) == most_steps
    assert sum(slept) <= 1
    per_step = count / most_steps
    assert open_after == [round(count - per_step * (step + 1)) for step in range(most_steps - 1)]


async def test_draining_without_a_spread_closes_all_at_once() -> None:
    sessions, fake = Sessions(limits=Limits()), FakeSession()
    sessions.open(fake)

    async def sleep(seconds: float) -> None:
        raise AssertionError(f"slept {seconds} s, expected not to")

    await sessions.drain(code=CloseCode.SHUTDOWN, spread_seconds=0, sleep=sleep)

    assert fake.code is CloseCode.SHUTDOWN
