"""What becomes of members in Redis when processes die or are stopped, and when Redis does or is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress

import pytest
import pytest_asyncio

from realtime.errors import LayerUnavailable
from realtime.layers.base import Event
from realtime.layers.redis import RedisTopicLayer
from realtime.messages import Joined, Left
from realtime.presence import ledger
from realtime.presence.base import PresenceStats
from realtime.presence.ledger import Ledger
from realtime.presence.redis import RedisPresence
from realtime.testing.presence import member
from tests.redis_server import RedisServer
from tests.waiting import until

TOPIC, OTHER_TOPIC = "room:1", "room:2"
LEASE_SECONDS = 1.5
# On a machine with little time to spare; the lease itself is judged by measure.
PATIENCE_SECONDS = 15


class Process:
    """The part of a process that keeps presence, in this one: a layer and connections of its own."""

    def __init__(self, name: str, url: str, prefix: str, *, lease_seconds: float) -> None:
        self.name = name
        self.layer = RedisTopicLayer(hosts=[url], prefix=prefix)
        self.presence = RedisPresence(self.layer, process_id=name, lease_seconds=lease_seconds)
        self.events: list[str] = []
        self.layer.attach(self)

    async def start(self) -> None:
        self.presence.start()
        await until(lambda: self.ledger._is_held)

    async def listen(self, *topics: str) -> None:
        for topic in topics:
            await self.layer.subscribe(topic)

    def receive(self, topic: str, event: Event, epoch: str) -> None:
        match event:
            case Joined(info):
                self.events.append(f"{info.client} joined {topic}")
            case Left(info):
                self.events.append(f"{info.client} left {topic}")

    def doubt(self, topics: Iterable[str]) -> None:
        pass

    @property
    def ledger(self) -> Ledger:
        [ledger] = self.presence._ledgers.values()
        return ledger

    async def add(self, *clients: str, topic: str = TOPIC, is_announced: bool = True) -> None:
        for client in clients:
            await self.presence.add(topic, member(f"user of {client}", client), is_announced=is_announced)

    async def members(self, topic: str = TOPIC) -> set[str]:
        return set(await self.presence.members(topic))

    async def sees(self, *clients: str, topic: str = TOPIC) -> None:
        """Returns once exactly these are members. Fails where this does not come about."""
        seen: set[str] = set()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    with suppress(LayerUnavailable):
                        seen = await self.members(topic)
                        if seen == set(clients):
                            return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{self.name} sees {seen}, expected {set(clients)}") from None

    async def settled(self) -> None:
        """Returns once Redis holds what this process says, under one lease."""
        await until(
            lambda: self.ledger._is_held and not self.ledger._changes and not self.ledger._older,
            PATIENCE_SECONDS,
        )
        await until(lambda: not self.ledger._writing)

    async def die(self) -> None:
        """As by SIGKILL: nothing is told to Redis."""
        await self.stall()
        await self.layer.close()
        self.presence._ledgers.clear()

    async def stall(self) -> None:
        """As by SIGSTOP, as far as Redis is concerned: the lease is not renewed, nobody reaps."""
        for task in self.ledger._tasks:
            task.cancel()
        await asyncio.gather(*self.ledger._tasks, return_exceptions=True)

    def go_on(self) -> None:
        self.ledger.start()

    async def close(self) -> None:
        await self.presence.close()
        await self.layer.close()


MakeProcess = Callable[..., Awaitable[Process]]


@pytest.fixture
def server(make_redis: Callable[..., RedisServer]) -> RedisServer:
    return make_redis()


@pytest_asyncio.fixture
async def start(server: RedisServer) -> AsyncIterator[MakeProcess]:
    """start("a"): a process named a, its lease taken; closed after the test."""
    processes: list[Process] = []

    async def start(name: str, *, lease_seconds: float = LEASE_SECONDS) -> Process:
        process = Process(name, server.url, "p", lease_seconds=lease_seconds)
        processes.append(process)
        await process.start()
        return process

    yield start
    for process in processes:
        await process.close()


async def until_may_reap(*processes: Process) -> None:
    """Past the moment after connecting in which a process gives others the time to come back."""
    loop = asyncio.get_running_loop()
    await until(lambda: all(loop.time() >= each.ledger._may_reap_at for each in processes))


# ── A process dies ────────────────────────────────────────────────────────────────────────────


async def test_members_are_seen_by_every_process(start: MakeProcess) -> None:
    a, b = await start("a"), await start("b")

    await a.add("a1", "a2")
    await b.add("b1")

    assert await a.members() == await b.members() == {"a1", "a2", "b1"}
    await a.presence.remove(TOPIC, "a1")
    assert await b.presence.stats(TOPIC) == PresenceStats(clients=2, users=2)


async def test_members_of_a_killed_process_leave_within_the_lease_and_each_is_told_once(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b, c = await start("a"), await start("b"), await start("c")
    await b.listen(TOPIC, OTHER_TOPIC)
    await a.add("a1", "a2", topic=TOPIC)
    await a.add("a1", topic=OTHER_TOPIC)
    await a.add("silent", is_announced=False)
    await a.presence.add(OTHER_TOPIC, member("hidden", "hidden"), is_listed=False, is_announced=True)
    await b.add("b1")
    await c.add("c1")
    await until_may_reap(b, c)

    await a.die()
    died_at = time.monotonic()
    await b.sees("b1", "c1")
    await b.sees(topic=OTHER_TOPIC)

    assert time.monotonic() - died_at < LEASE_SECONDS
    await until(lambda: len(b.events) == 4)
    # Whatever else would be told, is told before this.
    await b.layer.broadcast(TOPIC, Joined(member("", "mark")))
    await until(lambda: b.events[-1] == f"mark joined {TOPIC}")
    assert sorted(b.events[:-1]) == [
        f"a1 left {TOPIC}", f"a1 left {OTHER_TOPIC}", f"a2 left {TOPIC}", f"hidden left {OTHER_TOPIC}",
    ]  # fmt: skip
    assert not [key for key in server.keys("*a:0*") if ":reaped:" not in key]


async def test_a_member_of_a_living_process_stays_for_many_leases(start: MakeProcess) -> None:
    a, b = await start("a", lease_seconds=0.6), await start("b", lease_seconds=0.6)
    await b.listen(TOPIC)
    await a.add("a1")
    leases = a.ledger.lease, b.ledger.lease
    begun_at = time.monotonic()

    # Time itself is what could take the member out.
    await until(lambda: time.monotonic() - begun_at > 2)

    assert await b.members() == {"a1"}
    assert (a.ledger.lease, b.ledger.lease) == leases
    assert b.events == []


async def test_many_reapers_at_once_tell_of_each_member_once(start: MakeProcess) -> None:
    a, b = await start("a"), await start("b")
    others = [await start(f"other{number}") for number in range(4)]
    await b.listen(TOPIC)
    clients = [f"a{number}" for number in range(500)]
    await asyncio.gather(*(a.add(client) for client in clients))
    await a.die()
    await asyncio.gather(*(each.stall() for each in (b, *others)))
    lease_key = "p:presence:leases"
    lease = "a:000000000001"
    # Expired now, and found by all of them in the same moment.
    await b.layer.shards[0].call("ZADD", lease_key, "XX", 1, lease)

    async def reap(process: Process) -> None:
        while await process.ledger._reap(""):
            pass

    await asyncio.gather(*(reap(each) for each in (b, *others)))

    await b.layer.broadcast(TOPIC, Joined(member("", "mark")))
    await until(lambda: b.events[-1:] == [f"mark joined {TOPIC}"])
    assert sorted(b.events[:-1]) == sorted(f"{client} left {TOPIC}" for client in clients)
    assert await b.members() == set()


async def test_a_reaping_that_was_broken_off_is_ended_by_another(start: MakeProcess) -> None:
    a, b = await start("a"), await start("b")
    clients = [f"a{number}" for number in range(ledger.MEMBERS_AT_ONCE * 2)]
    await asyncio.gather(*(a.add(client) for client in clients))
    await a.stall()
    shard = b.layer.shards[0]
    await shard.call("ZADD", "p:presence:leases", "XX", 1, a.ledger.lease)
    await b.stall()
    assert await b.ledger._reap("")
    assert len(await b.members()) == ledger.MEMBERS_AT_ONCE

    c = await start("c")

    await c.sees()


async def test_a_process_that_ends_well_takes_its_members_with_it_at_once(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a", lease_seconds=60), await start("b", lease_seconds=60)
    await b.listen(TOPIC)
    await a.add("a1")
    await b.add("b1")

    await a.close()

    assert await b.members() == {"b1"}
    await until(lambda: b.events == [f"a1 left {TOPIC}"])
    assert not server.keys("*a:0*")


async def test_nothing_is_left_in_redis_after_all_have_left(start: MakeProcess, server: RedisServer) -> None:
    a, b = await start("a", lease_seconds=60), await start("b", lease_seconds=60)
    for topic in ("room:1", "room:2", "room:3"):
        await a.add("a1", "a2", topic=topic)
        await a.presence.add(topic, member("x", "h"), is_listed=False, is_announced=True)
        await b.add("b1", topic=topic, is_announced=False)

    for topic in ("room:1", "room:2", "room:3"):
        for client in ("a1", "a2", "h"):
            await a.presence.remove(topic, client)
        await b.presence.remove(topic, "b1")

    assert server.keys() == {"p:presence:leases"}
    await a.close()
    await b.close()
    assert server.keys() == set()


async def test_names_are_not_to_be_read_in_redis(start: MakeProcess, server: RedisServer) -> None:
    a = await start("a")
    await a.presence.close()
    encrypted = RedisTopicLayer(hosts=[server.url], prefix="p", symmetric_encryption_keys=["key"])
    presence = RedisPresence(encrypted, process_id="e", lease_seconds=5)
    presence.start()

    await presence.add(TOPIC, member("mallory", "1"), is_announced=True)

    client = server.client()
    held = [f"{key} {client.hgetall(key)}" for key in server.keys("p:{*")]
    assert len(held) == 2
    assert not [each for each in held if "mallory" in each]
    await presence.close()
    await encrypted.close()


async def test_thousands_of_members_are_counted_without_being_listed(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a"), await start("b")
    await asyncio.gather(
        *(a.presence.add(TOPIC, member(f"user{number % 2500}", f"c{number}")) for number in range(5000))
    )
    server.client().config_resetstat()

    assert await b.presence.stats(TOPIC) == PresenceStats(clients=5000, users=2500)

    commands = {name.removeprefix("cmdstat_") for name in server.client().info("commandstats")}
    assert "hlen" in commands
    assert not commands & {"hgetall", "hvals", "hkeys", "hscan"}
    assert len(await b.members()) == 5000


# ── A process is stopped, and goes on ─────────────────────────────────────────────────────────


async def test_a_process_that_was_reaped_while_it_was_stopped_writes_its_members_again(
    start: MakeProcess,
) -> None:
    a, b = await start("a"), await start("b")
    await b.listen(TOPIC)
    await a.add("a1", "a2")
    await a.stall()
    await b.sees()
    await until(lambda: len(b.events) == 2)

    a.go_on()
    await b.sees("a1", "a2")

    # They had been told of as gone.
    await until(lambda: len(b.events) == 4)
    assert sorted(b.events[2:]) == [f"a1 joined {TOPIC}", f"a2 joined {TOPIC}"]


async def test_who_left_a_stopped_process_does_not_come_back_with_it(start: MakeProcess) -> None:
    a, b = await start("a"), await start("b")
    await a.add("a1", "a2")
    await a.stall()
    await b.sees()
    removing = asyncio.ensure_future(a.presence.remove(TOPIC, "a1"))
    a.go_on()
    await removing

    await b.sees("a2")
    await a.settled()

    assert await b.members() == {"a2"}


async def test_who_comes_as_its_process_goes_on_is_announced_by_its_session_alone(
    start: MakeProcess,
) -> None:
    a, b = await start("a"), await start("b")
    await b.listen(TOPIC)
    await a.add("a1")
    await a.stall()
    await b.sees()
    adding = asyncio.ensure_future(a.add("new"))
    await asyncio.sleep(0)

    a.go_on()
    await adding
    await b.sees("a1", "new")

    await b.layer.broadcast(TOPIC, Joined(member("", "mark")))
    await until(lambda: b.events[-1:] == [f"mark joined {TOPIC}"])
    assert b.events[:-1] == [f"a1 left {TOPIC}", f"a1 joined {TOPIC}"]


async def test_an_add_meets_that_its_lease_is_gone_and_succeeds_under_another(start: MakeProcess) -> None:
    a, b = await start("a", lease_seconds=60), await start("b", lease_seconds=60)
    await a.add("a1")
    lease = a.ledger.lease
    await b.ledger._reap(lease)

    await a.add("a2")

    assert "a2" in await b.members()
    assert a.ledger.lease > lease
    await b.sees("a1", "a2")


async def test_a_request_that_arrives_late_changes_nothing(start: MakeProcess) -> None:
    """What was sent on a connection that was given up may be carried out after what came later."""
    a, b = await start("a", lease_seconds=60), await start("b", lease_seconds=60)
    await a.add("a1")
    old = a.ledger.lease
    adds_ghost = [*(TOPIC, "ghost"), *a.ledger._describe((TOPIC, "a1"), is_return=False)[2:]]
    adds_again = a.ledger._describe((TOPIC, "a1"), is_return=False)
    removes = (TOPIC, "a1", "", "", "", "", "")
    a.ledger._doubt()
    await a.settled()

    for late in (adds_ghost, adds_again, removes):
        assert await b.ledger._run(ledger.WRITE, "p", old, *late) == 0
    assert await b.members() == {"a1"}

    # Before the older lease has been given up, too.
    await b.layer.shards[0].call("ZADD", "p:presence:leases", 9e15, old)
    for late in (adds_again, removes, adds_ghost):
        assert await b.ledger._run(ledger.WRITE, "p", old, *late) == 1
    while await b.ledger._reap(old):
        pass
    assert await b.members() == {"a1"}


# ── Redis dies, or is away ────────────────────────────────────────────────────────────────────


async def test_members_are_there_again_after_redis_was_restarted_empty(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a"), await start("b")
    await b.listen(TOPIC)
    await a.add("a1", "a2")
    await b.add("b1")

    server.restart(keep_data=False)

    await b.sees("a1", "a2", "b1")
    await a.settled()
    await b.settled()
    assert await a.presence.stats(TOPIC) == PresenceStats(clients=3, users=3)
    # Nobody had left, and nobody was told so.
    await b.layer.broadcast(TOPIC, Joined(member("", "mark")))
    await until(lambda: b.events[-1:] == [f"mark joined {TOPIC}"])
    assert b.events == [f"mark joined {TOPIC}"]


async def test_who_left_while_redis_was_away_is_gone_when_it_comes_back_with_its_data(
    start: MakeProcess, make_redis: Callable[..., RedisServer]
) -> None:
    durable = make_redis(is_durable=True)
    a, b = (Process(name, durable.url, "p", lease_seconds=LEASE_SECONDS) for name in "ab")
    await a.start()
    await b.start()
    await b.listen(TOPIC)
    await a.add("a1", "a2")
    durable.kill()
    begun_at = time.monotonic()

    await a.presence.remove(TOPIC, "a1")

    assert time.monotonic() - begun_at < ledger.REMOVAL_PATIENCE_SECONDS + 0.5
    durable.start()
    await b.sees("a2")
    await a.settled()
    assert await b.presence.stats(TOPIC) == PresenceStats(clients=1, users=1)
    await until(lambda: b.events == [f"a1 left {TOPIC}"])
    await a.close()
    await b.close()


async def test_older_data_bring_nobody_back_and_lose_nobody(start: MakeProcess, server: RedisServer) -> None:
    a, b, dead = await start("a"), await start("b"), await start("dead")
    await a.add("stays", "leaves")
    await dead.add("dies")
    server.client().save()
    await a.presence.remove(TOPIC, "leaves")
    await a.add("comes")
    await dead.die()

    server.restart(keep_data=True)

    await b.sees("stays", "comes")
    await a.settled()
    assert await b.members() == {"stays", "comes"}
    assert await b.presence.stats(TOPIC) == PresenceStats(clients=2, users=2)


async def test_a_failed_add_leaves_no_member_when_redis_is_back(
    start: MakeProcess, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.redis.link.ANSWER_TIMEOUT_SECONDS", 0.3)
    a, b = await start("a"), await start("b")
    await a.add("a1")
    server.pause()

    # Redis gets it, and carries it out when it goes on.
    with pytest.raises(LayerUnavailable):
        await a.add("a2")

    server.resume()
    await b.sees("a1")
    await a.settled()
    assert await b.members() == {"a1"}


async def test_a_remove_waits_only_a_moment_for_a_redis_that_does_not_answer(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a"), await start("b")
    await a.add(*(f"a{number}" for number in range(20)))
    server.pause()
    begun_at = time.monotonic()

    await asyncio.gather(*(a.presence.remove(TOPIC, f"a{number}") for number in range(20)))

    assert time.monotonic() - begun_at < ledger.REMOVAL_PATIENCE_SECONDS + 0.5
    server.resume()
    await b.sees()


async def test_nobody_is_reaped_because_redis_was_away_for_longer_than_the_lease(
    start: MakeProcess, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.redis.link.ANSWER_TIMEOUT_SECONDS", 0.3)
    a, b = await start("a"), await start("b")
    await a.listen(TOPIC)
    await a.add("a1")
    await b.add("b1")
    server.pause()
    begun_at = time.monotonic()
    await until(lambda: time.monotonic() - begun_at > LEASE_SECONDS)

    server.resume()

    await a.sees("a1", "b1")
    await until_may_reap(a, b)
    await a.settled()
    await b.settled()
    await a.layer.broadcast(TOPIC, Joined(member("", "mark")))
    await until(lambda: a.events[-1:] == [f"mark joined {TOPIC}"])
    assert a.events == [f"mark joined {TOPIC}"]


async def test_a_process_that_comes_back_later_than_others_is_waited_for(
    start: MakeProcess, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.redis.link.ANSWER_TIMEOUT_SECONDS", 0.3)
    a, late = await start("a", lease_seconds=3), await start("late", lease_seconds=3)
    await a.listen(TOPIC)
    await late.add("late1")
    await late.stall()
    server.pause()
    begun_at = time.monotonic()
    await until(lambda: time.monotonic() - begun_at > 2.1)
    server.resume()
    await a.sees("late1")
    # By then a looks for expired leases, every half a second, if it does.
    resumed_at = time.monotonic()
    await until(lambda: time.monotonic() - resumed_at > 0.6)

    late.go_on()
    late.ledger._note_connection()
    await late.settled()
    await until_may_reap(a)

    assert await a.members() == {"late1"}
    assert a.events == []


async def test_leases_that_are_being_left_are_kept_until_all_is_written(
    start: MakeProcess, server: RedisServer
) -> None:
    """With very many members that may take longer than a lease."""
    a = await start("a", lease_seconds=60)
    await a.add("a1")
    await a.stall()
    old = a.ledger.lease
    server.client().zadd("p:presence:leases", {old: 1_000})

    a.ledger._doubt()
    assert (await a.ledger._hold(is_new=True))[:2] == [1, 0]

    leases = {lease.decode(): ends for lease, ends in server.client().zscan_iter("p:presence:leases")}
    assert leases[old] == leases[a.ledger.lease] > 1_000


async def test_somebody_flushed_redis_and_all_are_there_again(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a"), await start("b")
    await a.add("a1")
    await b.add("b1")

    server.client().flushall()
    server.client().script_flush()

    await a.sees("a1", "b1")


async def test_a_redis_that_refuses_to_write_fails_the_add_and_is_tried_again(
    start: MakeProcess, server: RedisServer
) -> None:
    a, b = await start("a"), await start("b")
    await a.add("a1")
    server.client().config_set("maxmemory", "1")

    with pytest.raises(LayerUnavailable, match="refuses"):
        await a.add("a2")
    await a.presence.remove(TOPIC, "a1")
    server.client().config_set("maxmemory", "0")

    await b.sees()
    await a.add("a3")
    await b.sees("a3")


async def test_a_process_that_starts_while_redis_is_away_is_there_when_it_comes(
    server: RedisServer,
) -> None:
    server.stop()
    a = Process("a", server.url, "p", lease_seconds=LEASE_SECONDS)
    a.presence.start()
    with pytest.raises(LayerUnavailable):
        await a.add("a1")

    server.start()
    await until(lambda: a.ledger._is_held)
    await a.add("a1")

    assert await a.members() == {"a1"}
    await a.close()


async def test_a_close_while_redis_is_away_ends_soon(server: RedisServer) -> None:
    a = Process("a", server.url, "p", lease_seconds=LEASE_SECONDS)
    await a.start()
    await a.add("a1")
    server.pause()
    begun_at = time.monotonic()

    await a.presence.close()

    assert time.monotonic() - begun_at < ledger.CLOSE_PATIENCE_SECONDS + 1
    server.resume()
    await a.layer.close()


async def test_adds_and_removes_through_an_outage_end_as_the_process_says(
    start: MakeProcess, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.redis.link.ANSWER_TIMEOUT_SECONDS", 0.3)
    a, b = await start("a"), await start("b")
    inside: set[str] = set()

    async def come_and_go(number: int) -> None:
        for turn in range(20):
            client = f"a{number}-{turn}"
            with suppress(LayerUnavailable):
                await a.add(client)
                inside.add(client)
                if turn % 3:
                    await a.presence.remove(TOPIC, client)
                    inside.discard(client)
            await asyncio.sleep(0.01)

    work = [asyncio.ensure_future(come_and_go(number)) for number in range(20)]
    await until(lambda: len(inside) > 20)
    server.restart(keep_data=False)
    await until(lambda: len(inside) > 40)
    server.cut_commands()
    await asyncio.gather(*work)

    await b.sees(*inside)
    await a.settled()
    assert await b.members() == inside
