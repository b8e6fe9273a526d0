"""Presence of one process: a dict per topic, gone with its last member."""

from collections import Counter

from realtime.messages import ClientInfo
from realtime.presence.base import PresenceStats


class MemoryPresence:
    """Implements Presence (realtime/presence/base.py) for a single process."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, ClientInfo]] = {}
        self._users: dict[str, Counter[str]] = {}

    def __len__(self) -> int:
        """Topics that have a member."""
        return len(self._members)

    def start(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        self._members.clear()
        self._users.clear()

    async def add(
        self, topic: str, info: ClientInfo, *, is_listed: bool = True, is_announced: bool = False
    ) -> None:
        await self.remove(topic, info.client)
        if not is_listed:
            # Whom it would be announced to dies with this process, too.
            return
        self._members.setdefault(topic, {})[info.client] = info
        self._users.setdefault(topic, Counter())[info.user] += 1

    async def remove(self, topic: str, client: str) -> None:
        info = self._members.get(topic, {}).pop(client, None)
        if info is None:
            return
        users = self._users[topic]
        users[info.user] -= 1
        if not users[info.user]:
            del users[info.user]
        if not users:
            del self._members[topic], self._users[topic]

    async def members(self, topic: str) -> dict[str, ClientInfo]:
        return dict(self._members.get(topic, {}))

    async def stats(self, topic: str) -> PresenceStats:
        return PresenceStats(clients=len(self._members.get(topic, {})), users=len(self._users.get(topic, {})))
