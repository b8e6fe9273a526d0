"""The contract suite of presence: what realtime/presence/base.py promises, as tests.

class TestMemoryPresence(PresenceContract):
    async def make_presence(self): ...
"""

# ruff: noqa: S101  # It is a test suite, shipped for whoever writes a presence.

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec import Raw

from realtime.messages import ClientInfo
from realtime.presence.base import Presence, PresenceStats

TOPIC = "contract:topic"
OTHER_TOPIC = "contract:other"


@pytest.mark.asyncio
class PresenceContract:
    """Subclass it, and say how a presence is made."""

    async def make_presence(self) -> Presence:
        """A new one without members; it is started and closed here."""
        raise NotImplementedError

    async def close_presence(self, presence: Presence) -> None:
        """After each test, when it was closed."""

    @pytest_asyncio.fixture
    async def presence(self) -> AsyncIterator[Presence]:
        presence = await self.make_presence()
        presence.start()
        yield presence
        await presence.close()
        await self.close_presence(presence)

    async def test_a_topic_has_no_members_at_first(self, presence: Presence) -> None:
        assert await presence.members(TOPIC) == {}
        assert await presence.stats(TOPIC) == PresenceStats(clients=0, users=0)

    async def test_a_member_is_there_with_its_info(self, presence: Presence) -> None:
        info = ClientInfo(user="alice", client="1", conn_info=Raw(b'{"a":1}'), chan_info=Raw(bytes(range(9))))

        await presence.add(TOPIC, info)

        [(client, held)] = (await presence.members(TOPIC)).items()
        assert (client, held.user, held.client) == ("1", "alice", "1")
        assert (bytes(held.conn_info), bytes(held.chan_info)) == (b'{"a":1}', bytes(range(9)))

    async def test_adding_a_member_again_replaces_what_was_known(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))

        await presence.add(TOPIC, member("bob", "1"))

        assert {client: info.user for client, info in (await presence.members(TOPIC)).items()} == {"1": "bob"}
        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)

    async def test_a_user_with_two_connections_is_two_clients_and_one_user(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))
        await presence.add(TOPIC, member("alice", "2"))
        await presence.add(TOPIC, member("bob", "3"))

        assert await presence.stats(TOPIC) == PresenceStats(clients=3, users=2)
        await presence.remove(TOPIC, "1")
        assert await presence.stats(TOPIC) == PresenceStats(clients=2, users=2)
        await presence.remove(TOPIC, "2")
        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)

    async def test_anonymous_clients_are_members_as_one_user(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("", "1"))
        await presence.add(TOPIC, member("", "2"))

        assert await presence.stats(TOPIC) == PresenceStats(clients=2, users=1)

    async def test_removing_who_is_no_member_does_nothing(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))

        await presence.remove(TOPIC, "2")
        await presence.remove(OTHER_TOPIC, "1")

        assert set(await presence.members(TOPIC)) == {"1"}

    async def test_a_member_that_was_removed_can_come_back(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))
        await presence.remove(TOPIC, "1")

        await presence.add(TOPIC, member("alice", "1"))

        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)

    async def test_topics_have_their_own_members(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))
        await presence.add(OTHER_TOPIC, member("bob", "2"))

        assert set(await presence.members(TOPIC)) == {"1"}
        assert set(await presence.members(OTHER_TOPIC)) == {"2"}

    async def test_announced_members_are_members_as_others_are(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"), is_announced=True)
        await presence.add(TOPIC, member("alice", "2"))

        assert await presence.stats(TOPIC) == PresenceStats(clients=2, users=1)
        await presence.remove(TOPIC, "1")
        assert set(await presence.members(TOPIC)) == {"2"}

    async def test_who_is_not_listed_is_not_told_of(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"), is_listed=False, is_announced=True)
        await presence.add(TOPIC, member("alice", "2"))

        assert set(await presence.members(TOPIC)) == {"2"}
        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)
        await presence.add(TOPIC, member("bob", "1"))
        await presence.add(TOPIC, member("alice", "2"), is_listed=False, is_announced=True)
        assert set(await presence.members(TOPIC)) == {"1"}
        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)
        await presence.remove(TOPIC, "1")
        await presence.remove(TOPIC, "2")
        assert await presence.stats(TOPIC) == PresenceStats(clients=0, users=0)

    async def test_many_at_once_are_all_there_and_all_go(self, presence: Presence) -> None:
        clients = [str(number) for number in range(300)]
        await asyncio.gather(*(presence.add(TOPIC, member(f"user{n[-1]}", n)) for n in clients))

        assert await presence.stats(TOPIC) == PresenceStats(clients=300, users=10)
        assert set(await presence.members(TOPIC)) == set(clients)
        await asyncio.gather(*(presence.remove(TOPIC, client) for client in clients))
        assert await presence.stats(TOPIC) == PresenceStats(clients=0, users=0)

    async def test_who_leaves_while_it_is_being_added_is_no_member(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("bob", "2"))

        await asyncio.gather(
            presence.add(TOPIC, member("alice", "1")),
            presence.remove(TOPIC, "1"),
            presence.remove(TOPIC, "2"),
            presence.add(TOPIC, member("bob", "2")),
        )

        assert set(await presence.members(TOPIC)) == {"2"}

    async def test_a_member_whose_adding_is_cancelled_leaves_nothing_once_removed(
        self, presence: Presence
    ) -> None:
        adding = asyncio.ensure_future(presence.add(TOPIC, member("alice", "1")))
        await asyncio.sleep(0)
        adding.cancel()
        await asyncio.wait({adding})

        await presence.remove(TOPIC, "1")
        await presence.add(TOPIC, member("bob", "2"))

        assert set(await presence.members(TOPIC)) == {"2"}

    async def test_nobody_is_left_after_it_is_closed_and_started_again(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"), is_announced=True)

        await presence.close()
        presence.start()

        assert await presence.members(TOPIC) == {}
        await presence.add(TOPIC, member("alice", "1"))
        assert await presence.stats(TOPIC) == PresenceStats(clients=1, users=1)

    async def test_the_members_given_are_a_copy(self, presence: Presence) -> None:
        await presence.add(TOPIC, member("alice", "1"))

        (await presence.members(TOPIC)).clear()

        assert set(await presence.members(TOPIC)) == {"1"}


def member(user: str, client: str) -> ClientInfo:
    return ClientInfo(user=user, client=client)
