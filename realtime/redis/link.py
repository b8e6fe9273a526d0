"""One connection to Redis that many callers share, and that mends itself. It knows no commands.

Requests go out in the order in which they were made, those of one loop tick in one write, without
waiting for the answers to those before them; answers come back in the same order. The connection
itself (TLS, passwords, Sentinel) is redis-py's.
"""

import asyncio
import contextlib
import logging
import math
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio import Connection, ConnectionPool
from redis.exceptions import (
    ConnectionError,  # noqa: A004  # redis' own, which is no OSError.
    NoPermissionError,
    RedisError,
    ResponseError,
)

from realtime.errors import LayerUnavailable
from realtime.redis.identity import INFO_IS_NEEDED, INFO_SECTIONS, ServerIdentity, is_of_replica
from realtime.redis.script import Script

logger = logging.getLogger(__name__)

# Less than the 5 s that SDKs wait for a reply: so a client hears "try again" and not silence.
ANSWER_TIMEOUT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 5.0
FAREWELL_SECONDS = 1.0
# Seconds between attempts, before jitter: a restart is over in a moment, an outage is not.
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.05, 1.0
# A connection on which nothing came for so long is asked whether it lives.
QUIET_SECONDS = 5.0
# Requests that may wait for their answers. At 8,000 a second that is more than the answer timeout.
MAX_WAITING = 50_000
# Answers taken in a row before the loop gets a turn: some 2 ms.
ANSWERS_IN_A_ROW = 256
# Who was stopped for longer than an answer may take finds late answers waiting: they get this long.
GRACE_SECONDS = 0.3

Argument = str | bytes | int | float
Callback = Callable[[], None]


class Request:
    """A command on its way, or a script's keys and arguments. `deadline` is in the loop's time."""

    __slots__ = ("arguments", "deadline", "future", "script")

    def __init__(
        self,
        arguments: Sequence[Argument],
        future: "asyncio.Future[Any]",
        deadline: float,
        *,
        script: Script | None = None,
    ) -> None:
        self.arguments = arguments
        self.future = future
        self.deadline = deadline
        self.script = script

    def pack(self, identity: ServerIdentity, known_scripts: set[Script]) -> bytes:
        """Raises what the caller's arguments deserve: text that is no Unicode, objects that are no text."""
        # Only now: a request that waited for a new connection must speak of the server that gets it.
        parts: Any = self.arguments
        if self.script is not None:
            begin = self.script.begin(is_known=self.script in known_scripts)
            parts = (*begin, *self.arguments, *identity.arguments)
        packed: bytes = hiredis.pack_command(parts)
        if self.script is not None:
            # Those behind it in the same write find it there already, so that none overtakes another.
            known_scripts.add(self.script)
        return packed

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Link(ABC):
    """Belongs to one event loop. `start()` before the first request; `close()` at the end."""

    def __init__(self, pool: ConnectionPool, *, name: str) -> None:
        self._pool = pool
        self._name = name
        self.identity: ServerIdentity | None = None
        self._running: asyncio.Task[None] | None = None
        self._broken: asyncio.Future[None] | None = None
        self._unsent: deque[Request] = deque()
        self._sent: deque[Request] = deque()
        self._has_unsent = asyncio.Event()
        self._down_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_suspect = False
        self._is_quiet = False
        # Which the server at the other end has been given on this connection.
        self._known_scripts: set[Script] = set()

    @property
    def is_up(self) -> bool:
        return self.identity is not None

    def start(self) -> None:
        """May be called again: nothing happens then."""
        if self._running is None:
            loop = asyncio.get_running_loop()
            self._down_since = loop.time()
            self._running = loop.create_task(self._run())

    async def close(self) -> None:
        """Fails what waits. A later start() begins anew."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
        self._fail_all("the connection was closed")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def follow(self, other: "Link") -> None:
        """Makes a new connection where this one's server is not the one that `other` has just found: it
        was the primary once, and does not know yet, or cannot know, that it is no more.
        """
        if self.identity and other.identity and self.identity.run_id != other.identity.run_id:
            self._break("another server is the primary now")

    # ── For subclasses ────────────────────────────────────────────────────────────────────────

    def _request(self, *arguments: Argument, script: Script | None = None) -> "asyncio.Future[Any]":
        """The answer to come. Raises LayerUnavailable at once where no answer can be hoped for."""
        if not self.is_up and asyncio.get_running_loop().time() > self._down_since + ANSWER_TIMEOUT_SECONDS:
            raise LayerUnavailable(f"Redis is away ({self._name})")
        if len(self._unsent) + len(self._sent) >= MAX_WAITING:
            raise LayerUnavailable(f"{MAX_WAITING} requests are waiting for Redis ({self._name})")
        return self._enqueue(*arguments, script=script)

    def _enqueue(self, *arguments: Argument, script: Script | None = None) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_TIMEOUT_SECONDS
        request = Request(arguments, loop.create_future(), deadline, script=script)
        self._unsent.append(request)
        self._has_unsent.set()
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._look_at_deadlines)
        return request.future

    @abstractmethod
    def _came_up(self) -> None:
        """The connection stands; what is requested now is the first that goes out on it."""

    @abstractmethod
    def _take(self, answer: Any) -> None:
        """What Redis sent next."""

    @abstractmethod
    def _went_down(self) -> None:
        """The connection is gone: what had been sent on it gets no answer any more."""

    def _answer_next(self, answer: Any) -> None:
        request = self._sent.popleft()
        if not request.future.done():
            if isinstance(answer, Exception):
                request.future.set_exception(answer)
            else:
                request.future.set_result(answer)

    def _fail_sent(self, reason: str) -> None:
        while self._sent:
            self._sent.popleft().fail(LayerUnavailable(reason))

    def _fail_all(self, reason: str) -> None:
        self._fail_sent(reason)
        while self._unsent:
            self._unsent.popleft().fail(LayerUnavailable(reason))

    def _break(self, reason: str) -> None:
        """Gives the connection up; a new one is made."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(ConnectionError(reason))

    # ── The connection's life ─────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        is_told = False
        while True:
            connection: Connection = self._pool.make_connection()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                    await connection.connect()
                    self.identity = await _fetch_identity(connection)
                self._known_scripts.clear()
                self._came_up()
                if is_told:
                    logger.info("Redis is back", extra={"link": self._name})
                delay, is_told = FIRST_RETRY_SECONDS, False
                await self._serve(connection)
            except (RedisError, OSError, TimeoutError) as error:
                # Once for each outage, not for each attempt.
                if not is_told:
                    logger.warning(
                        "Redis is away: %s", str(error) or type(error).__name__, extra={"link": self._name}
                    )
                    is_told = True
            except Exception:  # A fault of ours must not end the link for good.
                logger.exception("the connection to Redis crashed", extra={"link": self._name})
            except asyncio.CancelledError:
                await _hang_up(connection)
                raise
            finally:
                if self.identity is not None:
                    self.identity = None
                    self._down_since = asyncio.get_running_loop().time()
                self._went_down()
                with contextlib.suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            # Jitter, so that all processes do not come back in the same moment.
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311  # Nothing secret hangs on it.
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def _serve(self, connection: Connection) -> None:
        """Until the connection breaks; raises why."""
        loop = asyncio.get_running_loop()
        self._broken = loop.create_future()
        self._has_unsent.set()
        work = {
            loop.create_task(self._read(connection)),
            loop.create_task(self._write(connection)),
            loop.create_task(self._listen_for_life()),
        }
        try:
            await asyncio.wait({*work, self._broken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            if not self._broken.done():
                self._broken.cancel()
        if not self._broken.cancelled():
            self._broken.result()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _write(self, connection: Connection) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            identity = self.identity
            assert identity is not None, "written to before it was up"  # noqa: S101  # Ours to keep.
            packed = []
            while self._unsent:
                request = self._unsent.popleft()
                try:
                    packed.append(request.pack(identity, self._known_scripts))
                except Exception as error:  # noqa: BLE001  # Whatever it is, it is its caller's alone.
                    request.fail(error)
                else:
                    self._sent.append(request)
            if packed:
                try:
                    await connection.send_packed_command(b"".join(packed), check_health=False)
                except RuntimeError as error:
                    # What uvloop says where the socket was reset a moment ago.
                    raise ConnectionError(f"Redis reset the connection: {error}") from error

    async def _read(self, connection: Connection) -> None:
        while True:
            for _ in range(ANSWERS_IN_A_ROW):
                try:
                    answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
                except ResponseError as error:
                    if is_of_replica(error):
                        # A new connection finds the one that is the primary now.
                        self._break(str(error))
                        return
                    answer = error
                self._is_suspect = self._is_quiet = False
                self._take(answer)
            # Answers that are here already are read without ever giving way to others.
            await asyncio.sleep(0)

    async def _listen_for_life(self) -> None:
        """A connection that died without a word shows only when something is asked on it."""
        while True:
            self._is_quiet = True
            await asyncio.sleep(QUIET_SECONDS)
            if self._is_quiet and not self._sent:
                await self._request("PING")

    def _look_at_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        if self._sent and self._sent[0].deadline <= now:
            if not self._is_suspect:
                self._is_suspect = True
                self._timer = loop.call_at(now + GRACE_SECONDS, self._look_at_deadlines)
                return
            self._break(f"no answer in {ANSWER_TIMEOUT_SECONDS} s")
        # While the connection stands they are about to be written, however long the loop stood still.
        while not self.is_up and self._unsent and self._unsent[0].deadline <= now:
            self._unsent.popleft().fail(LayerUnavailable(f"Redis is away ({self._name})"))
        waiting = [queue[0].deadline for queue in (self._sent, self._unsent) if queue]
        if waiting:
            self._timer = loop.call_at(max(min(waiting), now + GRACE_SECONDS), self._look_at_deadlines)


async def _hang_up(connection: Connection) -> None:
    """Returns when it is closed: TLS says farewell, and the loop may be about to end."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            await connection.disconnect()


async def _fetch_identity(connection: Connection) -> ServerIdentity:
    try:
        sections = [await ask(connection, "INFO", section) for section in INFO_SECTIONS]
    except NoPermissionError as error:
        raise ConnectionError(f"{error}: {INFO_IS_NEEDED}") from error
    return ServerIdentity.from_info(*sections)


async def ask(connection: Connection, *arguments: Argument) -> Any:
    """One command on a connection that nobody else uses yet."""
    await connection.send_command(*arguments, check_health=False)
    return await connection.read_response(timeout=math.inf)
