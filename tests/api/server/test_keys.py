"""API keys as values, and the table that knows them: what opens, how long, how often rows are read."""

import asyncio

import pytest

from api.keys import (
    ANY_NAMESPACE,
    FRESH_SECONDS,
    RELOAD_PAUSE_SECONDS,
    STALE_SECONDS,
    STAMP_SECONDS,
    Key,
    KeyTable,
    Scope,
    Secret,
    check_namespaces,
    fixed_key,
)
from realtime.testing.clock import ManualClock
from realtime.topics.name import TopicName


class Rows:
    """In place of the database."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.reads = 0
        self.is_away = False
        self.stamps: list[tuple[str, float]] = []
        self.gate: asyncio.Event | None = None

    def add(self, secret: Secret, *, expires_at: float | None = None, scope: Scope = Scope.PUBLISH) -> None:
        self.keys.append(
            Key(
                id=secret.id,
                name="a",
                scopes=frozenset({scope}),
                namespaces=frozenset({"news"}),
                digests=((secret.digest, None),),
                expires_at=expires_at,
            )
        )

    async def load(self) -> list[Key]:
        self.reads += 1
        keys = list(self.keys)
        if self.gate is not None:
            await self.gate.wait()
        if self.is_away:
            raise OSError("the database is away")
        return keys

    async def stamp(self, id_: str, at: float) -> None:
        if self.is_away:
            raise OSError("the database is away")
        self.stamps.append((id_, at))


class Stage:
    def __init__(self) -> None:
        self.rows, self.clock = Rows(), ManualClock()
        self.pauses: list[float] = []
        self.table = KeyTable(
            fixed=[fixed_key("fixed", 1)],
            load=self.rows.load,
            stamp=self.rows.stamp,
            clock=self.clock,
            monotonic=self.clock,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    async def finds(self, secret: Secret) -> bool:
        found = await self.table.find(secret.text)
        return found is not None and found.id == secret.id


@pytest.fixture
async def stage() -> Stage:
    stage = Stage()
    stage.clock.advance(1000)
    return stage


# ── Values ────────────────────────────────────────────────────────────────────────────────────


def test_secrets_are_long_random_and_hidden_from_logs() -> None:
    first, second = Secret.make(), Secret.make()

    assert first.text.startswith(f"sb_{first.id}_")
    assert len(first.text) > 50
    assert first.text != second.text
    assert first.text not in repr(first)
    assert Secret.make(first.id).id == first.id


def test_a_keys_digest_is_not_shown() -> None:
    key = fixed_key("fixed", 1)

    assert "digest" not in repr(key)


@pytest.mark.parametrize(
    ("namespaces", "topic", "may"),
    [
        ({"news"}, "news:a", True),
        ({"news"}, "$news:a", True),
        ({"news"}, "newsletter:a", False),
        ({"news"}, "a", False),
        ({""}, "a", True),
        ({""}, "news:a", False),
        ({ANY_NAMESPACE}, "news:a", True),
        ({ANY_NAMESPACE}, "a", True),
        (set(), "a", False),
    ],
)
def test_a_key_is_for_its_namespaces(namespaces: set[str], topic: str, *, may: bool) -> None:
    key = Key(id="1", name="a", scopes=frozenset(), namespaces=frozenset(namespaces))

    assert key.may_use(TopicName.parse(topic)) is may


@pytest.mark.parametrize("name", ["a:b", "$a", "a b", "ä", "a" * 300])
def test_what_is_no_namespace_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a namespace"):
        check_namespaces([name])


# ── The table ─────────────────────────────────────────────────────────────────────────────────


async def test_a_key_of_the_settings_needs_no_rows(stage: Stage) -> None:
    stage.rows.is_away = True

    key = await stage.table.find("fixed")

    assert key is not None
    assert all(key.may(scope) for scope in Scope)
    assert stage.rows.reads == 0


@pytest.mark.parametrize("secret", ["", "other", "sb", "sb_", "sb__", "sb_1", "sb_1_", "\ud800", "é" * 5000])
async def test_what_is_no_secret_reads_no_rows(stage: Stage, secret: str) -> None:
    assert await stage.table.find(secret) is None
    assert stage.rows.reads == 0


async def test_a_known_key_reads_rows_once_for_a_while(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)

    assert all([await stage.finds(secret) for _ in range(100)])
    assert stage.rows.reads == 1

    stage.clock.advance(FRESH_SECONDS)
    assert await stage.finds(secret)
    assert stage.rows.reads == 2


async def test_the_right_id_with_a_wrong_secret_opens_nothing(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)

    assert await stage.table.find(secret.text[:-1]) is None
    assert await stage.table.find(f"{secret.text}x") is None
    assert stage.rows.reads == 1


async def test_a_new_key_opens_at_once(stage: Stage) -> None:
    first, second = Secret.make(), Secret.make()
    stage.rows.add(first)
    assert await stage.finds(first)

    stage.rows.add(second)

    assert await stage.finds(second)
    assert stage.pauses == [RELOAD_PAUSE_SECONDS]


async def test_guessing_causes_few_reads(stage: Stage) -> None:
    began = stage.clock()

    await asyncio.gather(*(stage.table.find(Secret.make().text) for _ in range(200)))

    assert stage.rows.reads <= 2 + (stage.clock() - began) / RELOAD_PAUSE_SECONDS


async def test_a_revoked_key_ends_within_seconds(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    assert await stage.finds(secret)

    stage.rows.keys.clear()
    stage.clock.advance(FRESH_SECONDS)

    assert not await stage.finds(secret)


async def test_a_key_revoked_in_this_process_ends_at_once(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    assert await stage.finds(secret)

    stage.rows.keys.clear()
    stage.table.forget()

    assert not await stage.finds(secret)


async def test_what_changes_while_rows_are_read_counts(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    stage.rows.gate = asyncio.Event()
    finding = asyncio.create_task(stage.finds(secret))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    stage.rows.keys.clear()
    stage.table.forget()
    stage.rows.gate.set()

    assert not await finding


async def test_an_expired_key_opens_nothing_from_its_second_on(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret, expires_at=stage.clock() + 2)
    assert await stage.finds(secret)

    stage.clock.advance(1.9)
    assert await stage.finds(secret)
    stage.clock.advance(0.1)
    assert not await stage.finds(secret)


async def test_a_rotated_secret_ends_with_its_grace(stage: Stage) -> None:
    old, now = Secret.make(), stage.clock()
    new = Secret.make(old.id)
    stage.rows.keys.append(
        Key(
            id=old.id,
            name="a",
            scopes=frozenset(),
            namespaces=frozenset(),
            digests=((new.digest, None), (old.digest, now + 3)),
        )
    )

    assert await stage.finds(old)
    assert await stage.finds(new)
    stage.clock.advance(3)
    assert not await stage.finds(old)
    assert await stage.finds(new)


async def test_known_keys_outlive_an_outage_of_the_database_for_a_while(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    assert await stage.finds(secret)

    stage.rows.is_away = True
    stage.clock.advance(FRESH_SECONDS)

    assert await stage.finds(secret)
    # It is not asked with each request.
    assert await stage.finds(secret)
    assert stage.rows.reads == 2
    stage.clock.advance(STALE_SECONDS)
    with pytest.raises(OSError, match="away"):
        await stage.finds(secret)
    assert secret.text not in caplog.text


async def test_who_goes_away_does_not_end_the_reading_for_others(stage: Stage) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    stage.rows.gate = asyncio.Event()
    first, second = (asyncio.create_task(stage.finds(secret)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    stage.rows.gate.set()

    assert await second
    assert stage.rows.reads == 1


async def test_the_last_use_is_noted_once_a_minute(stage: Stage) -> None:
    secret, began = Secret.make(), stage.clock()
    stage.rows.add(secret)

    for _ in range(3):
        assert await stage.finds(secret)
    stage.clock.advance(STAMP_SECONDS)
    assert await stage.finds(secret)
    await asyncio.gather(*stage.table._stamping)

    assert stage.rows.stamps == [(secret.id, began), (secret.id, began + STAMP_SECONDS)]


async def test_a_use_that_cannot_be_noted_opens_all_the_same(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    secret = Secret.make()
    stage.rows.add(secret)
    stage.rows.gate = asyncio.Event()
    stage.rows.gate.set()
    assert await stage.table.find(Secret.make().text) is None
    stage.rows.is_away = True

    assert await stage.finds(secret)
    await asyncio.gather(*stage.table._stamping)

    assert "was not noted" in caplog.text
