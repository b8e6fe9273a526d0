"""A right is taken where rows are changed; subscriptions end on each worker, within a second, unasked."""

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from centrifuge import Client, SubscriptionState, UnsubscribedContext
from centrifuge.handlers import SubscriptionEventHandler

from tests.end_to_end.sdk import end
from tests.postgres import running_postgres
from tests.raw_client import RawClient, connected_client
from tests.redis_server import RedisServer
from tests.servers import Server
from tests.tokens import sign
from tests.waiting import until

# They share two servers: in one process.
pytestmark = pytest.mark.xdist_group("revocation")

SETTINGS = "tests.end_to_end.settings_clubs"
# What is promised, counted from before the request that changes the row.
PROMISED_SECONDS = 1.0


@dataclass
class Site:
    """Two workers, one Redis, one database. Rows are changed by way of the left worker."""

    left: Server
    right: Server

    async def make_user(self) -> str:
        name = uuid.uuid4().hex
        answer = await asyncio.to_thread(self.left.fetch_json, f"/clubs/user?name={name}")
        return str(answer["user"])

    async def change(self, name: str, user: str, key: str) -> None:
        path = f"/clubs/{name}?{urlencode({'user': user, 'key': key})}"
        assert await asyncio.to_thread(self.left.fetch_status, path) == 204

    @asynccontextmanager
    async def clients(self, user: str) -> AsyncIterator[list[RawClient]]:
        """One on each worker."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(connected_client(server.ws, token=sign(sub=user)))
                for server in (self.left, self.right)
            ]


@contextmanager
def postgres_database() -> Iterator[str]:
    """One of its own, also where the server is one that somebody lends."""
    name = f"switchboard_{uuid.uuid4().hex}"
    with running_postgres() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For tests that leave nobody's rows but their own changed."""
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        env = {
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": f"test-{uuid.uuid4().hex[:12]}",
            "DATABASE_URL": stack.enter_context(postgres_database()),
        }
        left, right = (
            Server(settings=SETTINGS, env=env, log=folder / f"{name}.log") for name in ("left", "right")
        )
        left.manage("migrate", "--verbosity", "0")
        yield Site(stack.enter_context(left), stack.enter_context(right))


def is_refused(reply: dict[str, Any]) -> bool:
    return bool(reply.get("error", {}).get("code") == 103)


ENDED = {"unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}

# What gives the right, what takes it, and the topic that it is for.
CAUSES = {
    "a membership removed": ("join", "leave", "club:{key}", ""),
    "a membership moved to another row": ("join", "move", "club:{key}", ""),
    "the club deleted, and its memberships with it": ("join", "close_club", "club:{key}", ""),
    "memberships deleted by a query": ("join", "empty_club", "club:{key}", ""),
    "SQL, and a call that says so": ("join", "leave_by_sql_and_say_so", "club:{key}", ""),
    "a permission taken": ("permit", "forbid", "permitted:{key}", "view_group"),
    "a permission taken from a group": ("permit_by_group", "forbid_group", "permitted:{key}", "add_group"),
    "removed from a group": ("enter_group", "leave_group", "group:{key}", ""),
    "a group deleted": ("enter_group", "delete_group", "group:{key}", ""),
    "no longer staff": ("raise_flag", "lower_flag", "flag:{key}", "is_staff"),
    "no longer a superuser": ("raise_flag", "lower_flag", "flag:{key}", "is_superuser"),
}


async def stay_until_the_end(client: RawClient, topic: str) -> None:
    """As an SDK: subscribes again where its log began anew, until it is told that it may not."""
    while (await client.receive_push())["unsubscribe"]["code"] != 2000:
        reply = await client.call(subscribe={"channel": topic})
        if is_refused(reply):
            break


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_right_that_is_taken_ends_its_subscriptions_on_each_worker_within_a_second(
    site: Site, cause: str, record_property: Callable[[str, object], None]
) -> None:
    give, take, topic, fixed_key = CAUSES[cause]
    key = fixed_key or uuid.uuid4().hex[:12]
    user, topic = await site.make_user(), topic.format(key=key)
    async with site.clients(user) as clients:
        assert all([is_refused(await client.call(subscribe={"channel": topic})) for client in clients])
        await site.change(give, user, key)
        for client in clients:
            await client.subscribe(topic)

        began_at = time.monotonic()
        changing = asyncio.create_task(site.change(take, user, f"{key}-other" if take == "move" else key))
        pushes = await asyncio.gather(*(client.receive_push() for client in clients))
        seconds = time.monotonic() - began_at
        await changing

        assert pushes == [{"channel": topic, **ENDED}] * 2
        record_property("revocation_seconds", round(seconds, 4))
        assert seconds < PROMISED_SECONDS
        assert all([is_refused(await client.call(subscribe={"channel": topic})) for client in clients])


async def test_what_is_rolled_back_ends_nothing_and_what_concerns_others_neither(site: Site) -> None:
    key, other_key = uuid.uuid4().hex[:12], uuid.uuid4().hex[:12]
    user, other = await site.make_user(), await site.make_user()
    for each in (user, other):
        await site.change("join", each, key)
    await site.change("join", user, other_key)
    async with site.clients(user) as clients:
        for client in clients:
            await client.subscribe(f"club:{key}")
            await client.subscribe(f"club:{other_key}")

        await site.change("leave_and_roll_back", user, key)
        await site.change("leave", other, key)
        # What ends tells when all before it was done.
        await site.change("leave", user, other_key)

        for client in clients:
            assert await client.receive_push() == {"channel": f"club:{other_key}", **ENDED}
            assert (await client.call(publish={"channel": f"club:{key}", "data": {}})).get("error") is None


async def test_every_right_ends_with_the_row_however_lately_it_was_used(site: Site) -> None:
    key, user = uuid.uuid4().hex[:12], await site.make_user()
    topic = f"club:{key}"
    uses: list[dict[str, Any]] = [
        {"publish": {"channel": topic, "data": {"n": 1}}},
        {"presence": {"channel": topic}},
        {"presence_stats": {"channel": topic}},
        {"history": {"channel": topic, "limit": 1}},
    ]
    async with site.clients(user) as clients:
        for client in clients:
            assert all([is_refused(await client.call(**use)) for use in uses])
        await site.change("join", user, key)

        for client in clients:
            # The refusal of a moment ago does not stand: the row has come.
            await client.subscribe(topic)
            assert not any([is_refused(await client.call(**use)) for use in uses])
        await site.change("leave", user, key)
        for client in clients:
            while "unsubscribe" not in await client.receive_push():
                pass
            assert all([is_refused(await client.call(**use)) for use in uses])


async def test_ten_thousand_memberships_deleted_at_once_end_theirs_and_leave_the_rest(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    key, other_key = uuid.uuid4().hex[:12], uuid.uuid4().hex[:12]
    user, other = await site.make_user(), await site.make_user()
    await site.change("fill_club", user, key)
    await site.change("join", user, key)
    await site.change("join", other, other_key)
    async with site.clients(user) as clients, site.clients(other) as others:
        for client in clients:
            await client.subscribe(f"club:{key}")
        for client in others:
            await client.subscribe(f"club:{other_key}")

        await site.change("empty_club", user, key)
        began_at = time.monotonic()
        for client in clients:
            assert await client.receive_push() == {"channel": f"club:{key}", **ENDED}

        record_property("seconds_after_the_commit", round(time.monotonic() - began_at, 4))
        for client in others:
            reply = await client.call(publish={"channel": f"club:{other_key}", "data": {}})
            assert reply.get("error") is None


async def test_a_command_in_a_process_of_its_own_ends_subscriptions_too(site: Site) -> None:
    key, user = uuid.uuid4().hex[:12], await site.make_user()
    await site.change("join", user, key)
    code = (
        "from tests.end_to_end.clubs.models import Membership\n"
        f"Membership.objects.filter(user_id={user}).delete()\n"
    )
    async with site.clients(user) as clients:
        for client in clients:
            await client.subscribe(f"club:{key}")

        await asyncio.to_thread(site.left.manage, "shell", "--no-imports", "--command", code)

        for client in clients:
            assert await client.receive_push() == {"channel": f"club:{key}", **ENDED}


class Unsubscribed(SubscriptionEventHandler):  # type: ignore[misc]  # The SDK ships no types.
    def __init__(self) -> None:
        self.codes: list[int] = []

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.codes.append(ctx.code)


async def test_an_sdk_learns_that_it_may_stay_no_longer_and_does_not_come_back(site: Site) -> None:
    key, user = uuid.uuid4().hex[:12], await site.make_user()
    await site.change("join", user, key)
    client = Client(site.right.ws, token=sign(sub=user), proxy=None)
    heard = Unsubscribed()
    subscription = client.new_subscription(
        f"club:{key}", events=heard, min_resubscribe_delay=0.001, max_resubscribe_delay=0.01
    )
    await client.connect()
    await subscription.subscribe()
    await subscription.ready()
    try:
        await site.change("leave", user, key)
        await until(lambda: heard.codes == [2000])
        await site.change("join", user, key)

        # An answer to a later command: a resubscribe would have come before it.
        await client.rpc("probe.whoami", None)
        assert subscription.state is SubscriptionState.UNSUBSCRIBED
        await subscription.subscribe()
        await subscription.ready()
    finally:
        await end(client)


# ── One process, and an outage ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of SQLite with nothing in it but the tables."""
    log = tmp_path_factory.mktemp("tables") / "tables.log"
    Server(settings=SETTINGS, log=log).manage("migrate", "--verbosity", "0")
    return log.with_suffix(".sqlite3")


@pytest.fixture
def start_one(make_server: Callable[..., Server], tables: Path, tmp_path: Path) -> Callable[..., Site]:
    """start_one(**env): a server of the test's own, on SQLite."""

    def start(**env: str) -> Site:
        database = shutil.copy(tables, tmp_path / "site.sqlite3")
        server = make_server(settings=SETTINGS, env={"DATABASE_URL": f"sqlite:///{database}", **env})
        server.start()
        return Site(server, server)

    return start


async def test_a_server_without_redis_ends_its_own_and_a_command_beside_it_says_nothing(
    start_one: Callable[..., Site],
) -> None:
    site = await asyncio.to_thread(start_one)
    user = await site.make_user()
    await site.change("join", user, "one")
    await site.change("join", user, "two")
    async with connected_client(site.left.ws, token=sign(sub=user)) as client:
        await client.subscribe("club:one")
        await client.subscribe("club:two")

        await site.change("leave", user, "one")
        assert await client.receive_push() == {"channel": "club:one", **ENDED}

        code = (
            "from tests.end_to_end.clubs.models import Membership\n"
            "Membership.objects.all().delete()\n"
            "print('done')\n"
        )
        assert await asyncio.to_thread(site.left.manage, "shell", "--no-imports", "-c", code) == "done\n"
        # The command reaches nobody; whoever runs one beside such a server says so in the server.
        assert await asyncio.to_thread(site.left.fetch_status, "/clubs/recheck") == 204
        assert await client.receive_push() == {"channel": "club:two", **ENDED}


@asynccontextmanager
async def member_of_one(site: Site) -> AsyncIterator[tuple[str, RawClient]]:
    """Somebody's id, and their client, which is in club:one."""
    user = await site.make_user()
    await site.change("join", user, "one")
    async with connected_client(site.left.ws, token=sign(sub=user)) as client:
        await client.subscribe("club:one")
        yield user, client


async def test_what_is_taken_while_redis_is_away_ends_when_it_is_back(
    start_one: Callable[..., Site], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    site = await asyncio.to_thread(start_one, REDIS_URL=redis.url)
    async with member_of_one(site) as (user, client):
        redis.kill()
        await site.change("leave", user, "one")
        redis.start()

        await stay_until_the_end(client, "club:one")


async def test_all_rules_are_asked_again_where_orders_may_have_been_missed(
    start_one: Callable[..., Site], make_redis: Callable[..., RedisServer]
) -> None:
    redis = make_redis()
    site = await asyncio.to_thread(start_one, REDIS_URL=redis.url)
    async with member_of_one(site) as (user, client):
        await site.change("leave_unnoticed", user, "one")
        await asyncio.to_thread(redis.restart, keep_data=False)

        await stay_until_the_end(client, "club:one")
