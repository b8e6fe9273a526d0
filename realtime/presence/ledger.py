"""The members of this process in one Redis: its own truth about them, and Redis' record of it.

What Redis holds, beside the topics' logs (`*` is the layer's prefix):

    *:{t:<topic>}:members        client → lease, digest of the user, Left message, channel to tell it in
    *:{t:<topic>}:hidden         likewise, for those whom only their Left event is kept for
    *:{t:<topic>}:users          digest of the user → how many of its clients are in `members`
    *:presence:leases            lease → when it ends, in ms of Redis' clock; 0: it is being reaped
    *:presence:members:<lease>   set of (topic, client): what goes when the lease ends
    *:presence:reaped:<lease>    there for an hour after others have taken it from its process

The scripts reach from a lease to its topics, and so across slots: Redis Cluster is not for them.

A member stands in Redis as long as the lease that it was written under. A process holds one lease,
`<process>:<number>`, and renews it. Any process reaps any lease that has expired: takes its members
out, and publishes the Left events of those who were announced.

**In doubt, take a new lease.** Whether a write failed and may have happened all the same, Redis was
restarted with nothing or with older data, or this process was stopped for so long that others reaped
its lease: it takes a new lease, writes all of its members under it, and then reaps its old one. What
goes with that is what should not have been there.

The arithmetic, for a lease of L seconds, by default 15: the lease is renewed every L/6, and expires
2L/3 after it was last renewed, so that three renewals in a row may fail. Each process looks for
expired leases every L/6. The members of a process that was killed are therefore gone after
2L/3 + L/6 = 5L/6 at the latest; L/6 remains for the reaping itself.
"""

import asyncio
import contextlib
import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import msgpack
from redis.exceptions import RedisError

from realtime.errors import LayerUnavailable
from realtime.layers.envelope import Envelope
from realtime.messages import ClientInfo, Joined, Left
from realtime.redis.link import Argument
from realtime.redis.script import Script
from realtime.redis.shard import Shard

logger = logging.getLogger(__name__)

HOLD = Script.load("presence.lua", "presence_hold.lua")
WRITE = Script.load("presence.lua", "presence_write.lua")
REAP = Script.load("presence.lua", "presence_reap.lua")

# Members that one script writes or reaps: Redis does nothing else meanwhile, for less than 2 ms.
MEMBERS_AT_ONCE = 100
# How long who leaves waits for Redis to know it. The member is gone from the process' truth at once.
REMOVAL_PATIENCE_SECONDS = 1.0
CLOSE_PATIENCE_SECONDS = 3.0
# When Redis was away, all leases may have expired: the others need a moment to come back, to renew
# theirs, and to hear who left.
RETURN_SECONDS = 2.0
REAPED_KNOWN_SECONDS = 3600

# Topic and client.
Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    info: ClientInfo
    is_listed: bool
    is_announced: bool


class Change:
    """A member that Redis is to hear about; what is written is the truth at the time of writing."""

    __slots__ = ("done", "is_return")

    def __init__(self, *, is_return: bool) -> None:
        # Redis had it already, under an older lease.
        self.is_return = is_return
        self.done: asyncio.Future[None] | None = None

    def wait(self) -> "asyncio.Future[None]":
        if self.done is None:
            self.done = asyncio.get_running_loop().create_future()
        return self.done

    def finish(self) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: LayerUnavailable) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)
            # Nobody may be waiting any more; an exception that is never looked at would be logged.
            self.done.exception()


class Ledger:
    """Belongs to one event loop: `start()` there, `close()` at the end.

    `new_lease` names leases: the process, a colon and a number, each greater as a text than the one
    before. `topic_channel` is the pub/sub channel of a topic's events.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        prefix: str,
        envelope: Envelope,
        topic_channel: Callable[[str], str],
        new_lease: Callable[[], str],
        lease_seconds: float,
    ) -> None:
        self._shard = shard
        self._prefix = prefix
        self._envelope = envelope
        self._topic_channel = topic_channel
        self._new_lease = new_lease
        self._interval_seconds = lease_seconds / 6
        self._ttl_ms = int(lease_seconds * 1000 * 2 / 3)
        self._members: dict[Key, Member] = {}
        # What Redis does not know yet, and what it is being told now.
        self._changes: dict[Key, Change] = {}
        self._writing: dict[Key, Change] = {}
        self._lease = new_lease()
        # Whether Redis has said yes to the lease, and nothing since has put its record in doubt.
        self._is_held = False
        # Leases of this process under which there may still be members.
        self._older: list[str] = []
        self._was_reaped = False
        self._run_id = ""
        self._may_reap_at = 0.0
        self._has_work = asyncio.Event()
        self._must_renew = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        """Members of this process."""
        return len(self._members)

    @property
    def lease(self) -> str:
        return self._lease

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._may_reap_at = loop.time()
        self._shard.on_reconnect(self._note_connection)
        self._has_work.set()
        self._tasks = [
            loop.create_task(work)
            for work in (self._write_forever(), self._renew_forever(), self._reap_forever())
        ]

    async def close(self) -> None:
        """What is left leaves now; where Redis is away, when the lease expires."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._members.clear()
        self._fail_changes(LayerUnavailable("presence was closed"))
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_SECONDS):
                for lease in (*self._older, self._lease):
                    while await self._reap(lease):
                        pass
        except (LayerUnavailable, RedisError, TimeoutError) as error:
            # They leave when it expires.
            logger.warning("presence was not closed: %r", error, extra={"lease": self._lease})

    # ── The truth ─────────────────────────────────────────────────────────────────────────────

    async def put(self, key: Key, member: Member) -> None:
        """Returns when Redis knows. Raises LayerUnavailable; it is no member then."""
        self._members[key] = member
        try:
            # Shielded: others may wait for the same.
            await asyncio.shield(self._change(key).wait())
        except BaseException:
            if self._members.get(key) is member:
                del self._members[key]
                self._change(key)
            raise

    async def drop(self, key: Key) -> None:
        """Redis knows when it returns, if Redis can be reached; otherwise later."""
        if self._members.pop(key, None) is None:
            return
        done = self._change(key).wait()
        if self._is_held and self._shard.run_id:
            await asyncio.wait({done}, timeout=REMOVAL_PATIENCE_SECONDS)

    def _change(self, key: Key) -> Change:
        change = self._changes.get(key)
        if change is None:
            change = self._changes[key] = Change(is_return=False)
        self._has_work.set()
        return change

    # ── Writing ───────────────────────────────────────────────────────────────────────────────

    async def _write_forever(self) -> None:
        while True:
            await self._has_work.wait()
            try:
                await self._settle()
            except LayerUnavailable as error:
                self._lose(error)
            except RedisError as error:
                logger.warning("Redis refuses what presence writes: %s", error)
                self._lose(LayerUnavailable(f"Redis refuses: {error}"))
            except Exception as error:  # A fault of ours must not end presence for good.
                logger.exception("presence could not be written")
                self._lose(LayerUnavailable(f"presence crashed: {type(error).__name__}"))
            # After a failure, too: a new connection, the next renewal and each new change try again.
            self._has_work.clear()

    async def _settle(self) -> None:
        """Until Redis holds what this process says, under its lease and no other."""
        while True:
            if not self._is_held:
                await self._take_lease()
            elif self._changes:
                await self._write_some()
            elif self._older and self._may_reap():
                if not await self._reap(self._older[0]):
                    self._older.pop(0)
            else:
                return

    async def _take_lease(self) -> None:
        _, was_reaped, run_id = await self._hold(is_new=True)
        self._is_held = True
        self._was_reaped = was_reaped == 1
        self._run_id = run_id.decode()
        if self._shard.run_id not in ("", self._run_id):
            self._doubt()
            return
        waiting, self._changes = self._changes, {}
        for key in self._members:
            change = waiting.pop(key, None)
            self._changes[key] = Change(is_return=True) if change is None else change
        # The others are no members: what Redis may hold of them goes with an older lease.
        for change in waiting.values():
            change.finish()

    async def _write_some(self) -> None:
        keys = list(islice(self._changes, MEMBERS_AT_ONCE))
        self._writing = {key: self._changes.pop(key) for key in keys}
        arguments: list[Argument] = [self._prefix, self._lease]
        for key, change in self._writing.items():
            arguments += self._describe(key, is_return=change.is_return)
        is_held = await self._run(WRITE, *arguments)
        written, self._writing = self._writing, {}
        if is_held:
            for change in written.values():
                change.finish()
            return
        self._doubt()
        for key, change in written.items():
            # Changed once more since: that one counts.
            if key in self._changes:
                change.finish()
            else:
                self._changes[key] = change

    def _describe(self, key: Key, *, is_return: bool) -> tuple[Argument, ...]:
        topic, client = key
        member = self._members.get(key)
        if member is None:
            return (topic, client, b"", b"", b"", b"", b"")
        place = "members" if member.is_listed else "hidden"
        left = self._envelope.encode_event(Left(member.info))
        if not member.is_announced:
            return (topic, client, place, digest_of(member.info.user), left, b"", b"")
        # Others were told that it left, when the lease was reaped, and it did not.
        is_news = is_return and self._was_reaped
        joined = self._envelope.encode_event(Joined(member.info)) if is_news else b""
        channel = self._topic_channel(topic)
        return (topic, client, place, digest_of(member.info.user), left, channel, joined)

    # ── Doubt ─────────────────────────────────────────────────────────────────────────────────

    def _doubt(self) -> None:
        """What Redis holds may not be what this process says."""
        if self._is_held:
            self._is_held = False
            self._older.append(self._lease)
            self._lease = self._new_lease()
        self._has_work.set()

    def _lose(self, error: LayerUnavailable) -> None:
        self._doubt()
        self._fail_changes(error)

    def _fail_changes(self, error: LayerUnavailable) -> None:
        # A new lease begins with all members, so that nothing needs to be kept.
        for change in (*self._writing.values(), *self._changes.values()):
            change.fail(error)
        self._writing, self._changes = {}, {}

    def _note_connection(self) -> None:
        if not self._tasks:
            # Closed; the shard may live on.
            return
        loop = asyncio.get_running_loop()
        self._may_reap_at = loop.time() + min(RETURN_SECONDS, self._ttl_ms / 1000)
        loop.call_at(self._may_reap_at, self._has_work.set)
        if self._is_held and self._shard.run_id != self._run_id:
            self._doubt()
        self._has_work.set()
        self._must_renew.set()

    # ── The lease ─────────────────────────────────────────────────────────────────────────────

    async def _renew_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._next_interval()):
                    await self._must_renew.wait()
            self._must_renew.clear()
            if not self._is_held:
                self._has_work.set()
                continue
            lease = self._lease
            try:
                is_held, _, _ = await self._hold(is_new=False)
            except LayerUnavailable:
                # There are two more chances, and a new connection brings one at once.
                continue
            except RedisError as error:
                logger.warning("Redis refuses to renew presence: %s", error)
                continue
            if not is_held and lease == self._lease:
                logger.warning("presence was reaped by others", extra={"lease": lease})
                self._doubt()

    async def _reap_forever(self) -> None:
        while True:
            await asyncio.sleep(self._next_interval())
            if not self._is_held or not self._may_reap():
                continue
            try:
                while await self._reap(""):
                    pass
            except LayerUnavailable:
                continue
            except RedisError as error:
                logger.warning("Redis refuses to reap presence: %s", error)

    def _may_reap(self) -> bool:
        return asyncio.get_running_loop().time() >= self._may_reap_at

    def _next_interval(self) -> float:
        # Never longer: see the arithmetic.
        return self._interval_seconds * random.uniform(0.75, 1)  # noqa: S311  # Nothing secret hangs on it.

    async def _hold(self, *, is_new: bool) -> Any:
        return await self._run(HOLD, self._prefix, self._ttl_ms, int(is_new), self._lease, *self._older)

    async def _reap(self, lease: str) -> bool:
        """Of "", any that has expired. Whether there may be more to do."""
        return bool(await self._run(REAP, self._prefix, lease, MEMBERS_AT_ONCE, REAPED_KNOWN_SECONDS * 1000))

    async def _run(self, script: Script, *arguments: Argument) -> Any:
        return await self._shard.run(script, [f"{self._prefix}:presence:leases"], arguments)


def digest_of(user: str) -> bytes:
    """What stands for the user among the keys of a hash, where no name should be read."""
    return hashlib.blake2b(user.encode(), digest_size=16).digest()


def left_message(value: bytes) -> bytes:
    """Of a member, as Redis holds it."""
    parts: Sequence[bytes] = msgpack.unpackb(value, raw=True)
    return parts[2]
