"""Logins for tests, in memory: what a site would keep in its database."""

from realtime.logins import Login


class FakeLogins:
    """Implements Logins (realtime/logins.py): `by_key` is what stands, `fetched` how often it was asked."""

    def __init__(self, **users: str) -> None:
        """`FakeLogins(key="42")`: user 42 is signed in with that key."""
        self.by_key = {
            key: Login(id=f"id-of-{key}", user=user, info=b'{"name":"Somebody"}')
            for key, user in users.items()
        }
        self.fetched = 0

    def seal(self, key: str) -> str:
        return f"sealed {key}"

    def unseal(self, sealed: str) -> str:
        return sealed.removeprefix("sealed ") if sealed.startswith("sealed ") else ""

    async def fetch(self, key: str) -> Login | None:
        self.fetched += 1
        return self.by_key.get(key)
