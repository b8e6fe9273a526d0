"""The presence of one process keeps the contract, and leaves nothing behind."""

from realtime.presence.memory import MemoryPresence
from realtime.testing.presence import PresenceContract, member


class TestMemoryPresence(PresenceContract):
    async def make_presence(self) -> MemoryPresence:
        return MemoryPresence()


async def test_a_topic_goes_with_its_last_member() -> None:
    presence = MemoryPresence()
    await presence.add("chat:lobby", member("alice", "1"))
    await presence.add("chat:lobby", member("bob", "2"))

    await presence.remove("chat:lobby", "1")
    await presence.remove("chat:lobby", "2")

    assert len(presence) == 0
    assert presence._users == {}
