"""The supervisor: keeps a number of workers at one port, replaces those that die, and rolls new ones in.

It binds the socket and never lets go of it while it runs, so that a connection waits where nobody
accepts just now, and none is refused or reset. Workers are fresh interpreters (project/worker.py):
a successor runs the code that is on disk when it starts.

    SIGHUP            a rolling restart: each worker's successor listens before the worker leaves
    SIGTERM, Ctrl+C   all workers stop gently; a second Ctrl+C ends them at once
    its own death     ends the workers' lifelines: they stop gently

What the workers do to each other is not its business; they meet in Redis.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from project.acceptor import Loads
from project.server import BACKLOG, Address
from project.worker import Inheritance

logger = logging.getLogger(__name__)

# A start takes a second or two; on a machine that is that busy, ten times as long.
START_SECONDS = 60.0
# Whoever was told to end at once and has not by then is killed.
HURRY_SECONDS = 3.0

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 30.0
# Who lived so long did not die of its start.
LONG_LIFE_SECONDS = 60.0


class StartFailed(Exception):
    """A worker ended, or was ended, before it listened. `status` is for whoever started the supervisor."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Worker(Protocol):
    """A process as the supervisor sees it. All but the waiting returns at once, after the end too."""

    @property
    def pid(self) -> int: ...

    async def listen(self) -> bool:
        """True once it accepts connections; False where it ended before."""

    async def wait(self) -> int:
        """Its return code once it has ended, negative for a signal."""

    def leave(self) -> None:
        """Tells it to stop, gently, while others serve the port."""

    def stop(self) -> None:
        """Tells it to stop, gently, as all others do."""

    def hurry(self) -> None:
        """Tells it to stop being gentle."""

    def kill(self) -> None: ...


class Backoff:
    """How long to wait before a worker that died is started again: 1, 2, 4 … 30 s."""

    def __init__(self) -> None:
        self._next_seconds = FIRST_DELAY_SECONDS

    def delay_after(self, lived_seconds: float) -> float:
        if lived_seconds >= LONG_LIFE_SECONDS:
            self._next_seconds = FIRST_DELAY_SECONDS
        delay = self._next_seconds
        self._next_seconds = min(delay * 2, LONGEST_DELAY_SECONDS)
        return delay


@dataclass(slots=True, eq=False)
class _Place:
    """Where one worker is to serve."""

    number: int
    # Who serves there now: None between a death and the next start.
    worker: Worker | None = None
    backoff: Backoff = field(default_factory=Backoff)
    # Held while a worker is started for the place: never two at a time.
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_vacant(self) -> bool:
        return self.worker is None


class Supervisor:
    """Decides which workers there are.

    `launch` starts one for a place; `on_vacant` hears of a place whose worker died; `on_listening` is
    called once, when all listen for the first time. A gentle stop that takes more than `stop_seconds`
    counts as stuck.
    """

    def __init__(
        self,
        count: int,
        *,
        launch: Callable[[int], Worker],
        stop_seconds: float,
        on_listening: Callable[[], None],
        on_stopping: Callable[[], None] = lambda: None,
        on_vacant: Callable[[int], None] = lambda _place: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._places = [_Place(number) for number in range(count)]
        self._launch = launch
        self._stop_seconds = stop_seconds
        self._on_listening = on_listening
        self._on_stopping = on_stopping
        self._on_vacant = on_vacant
        self._clock = clock
        self._sleep = sleep
        # Every process that has not ended, those that start or leave too, with what awaits its end.
        self._alive: dict[Worker, asyncio.Task[int]] = {}
        self._watches = asyncio.TaskGroup()
        self._roll_wanted = asyncio.Event()
        self._stop_wanted = asyncio.Event()
        self._hurry_wanted = asyncio.Event()

    def roll(self) -> None:
        """Wants a rolling restart. Wanted again while one goes on, there will be one more, not two."""
        self._roll_wanted.set()

    def stop(self) -> None:
        """Wants all workers to stop gently."""
        self._stop_wanted.set()

    def interrupt(self) -> None:
        """The first time as `stop`; then everything ends at once."""
        if self._stop_wanted.is_set():
            self._hurry_wanted.set()
        self._stop_wanted.set()

    async def run(self) -> int:
        """Returns the exit status when all workers are gone: 0 where a stop was wanted.

        A worker that does not even start the first time is the end of all: its status.
        """
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stop_wanted.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                self._on_stopping()
        finally:
            serving.cancel()
            stopping.cancel()
            await asyncio.wait([serving, stopping])
            await self._end_all()
        return 0 if serving.cancelled() else serving.result()

    async def _serve(self) -> int:
        """Goes on until it is cancelled. Returns the status of a first start that failed."""
        first, *others = self._places
        try:
            # One goes ahead: what is wrong with all of them is said once.
            await self._fill(first)
            results = await asyncio.gather(*map(self._fill, others), return_exceptions=True)
            for failure in results:
                if failure is not None:
                    raise failure
        except StartFailed as error:
            # What went wrong there, it has said itself.
            logger.error("a worker did not start (%s), so the server ends", error)
            return error.status
        self._on_listening()
        async with self._watches:
            for place in self._places:
                self._watch(place)
            while True:
                await self._roll_wanted.wait()
                self._roll_wanted.clear()
                await self._replace_all()

    # ── One worker's life ─────────────────────────────────────────────────────────────────────

    async def _fill(self, place: _Place) -> None:
        """Starts a worker and puts it into the place once it listens. Raises StartFailed."""
        try:
            worker = self._launch(place.number)
        except OSError as error:
            # No memory or no descriptors, just now.
            raise StartFailed(1, f"no process for it: {error.strerror}") from error
        waiting = self._alive[worker] = asyncio.create_task(worker.wait())
        waiting.add_done_callback(lambda _waiting: self._alive.pop(worker))
        try:
            async with asyncio.timeout(START_SECONDS):
                is_listening = await worker.listen()
        except TimeoutError:
            worker.kill()
            await asyncio.wait([waiting])
            raise StartFailed(1, f"it did not listen within {START_SECONDS:g} s and was killed") from None
        if not is_listening:
            # Shielded: who is cancelled here does not end the watch over the process.
            return_code = await asyncio.shield(waiting)
            raise StartFailed(to_exit_status(return_code) or 1, describe(return_code))
        place.worker = worker

    def _watch(self, place: _Place) -> None:
        """Sees to it that the worker who serves at the place now is followed by another when it dies."""
        worker = place.worker
        if worker is not None:
            self._watches.create_task(self._restart_after(place, worker, born=self._clock()))

    async def _restart_after(self, place: _Place, worker: Worker, *, born: float) -> None:
        waiting = self._alive.get(worker)
        return_code = await (asyncio.shield(waiting) if waiting is not None else worker.wait())
        if place.worker is not worker:
            # It left on demand; its successor is watched by another task.
            return
        place.worker = None
        self._on_vacant(place.number)
        delay = place.backoff.delay_after(self._clock() - born)
        logger.error(
            "worker %d died (pid %d, %s); another starts in %g s",
            place.number, worker.pid, describe(return_code), delay,
        )  # fmt: skip
        while True:
            await self._sleep(delay)
            async with place.filling:
                if not place.is_vacant:
                    # A rolling restart was faster.
                    return
                try:
                    await self._fill(place)
                except StartFailed as error:
                    delay = place.backoff.delay_after(0)
                    logger.error(  # The worker itself has said what went wrong.
                        "worker %d did not start (%s); another starts in %g s", place.number, error, delay
                    )
                else:
                    self._watch(place)
                    logger.info("worker %d serves again", place.number)
                    return

    async def _end(self, worker: Worker) -> None:
        """Waits until a worker that was told to stop is gone, with an end to the patience."""
        waiting = self._alive.get(worker)
        if waiting is None:
            return
        await asyncio.wait([waiting], timeout=self._stop_seconds)
        if not waiting.done():
            logger.error("a worker did not stop within %g s (pid %d): killed", self._stop_seconds, worker.pid)
            worker.kill()
            await asyncio.wait([waiting])

    # ── All of them ───────────────────────────────────────────────────────────────────────────

    async def _replace_all(self) -> None:
        """The rolling restart. At all times as many workers serve as there are places."""
        logger.info("rolling restart of %d workers begins", len(self._places))
        for replaced, place in enumerate(self._places):
            async with place.filling:
                before = place.worker
                try:
                    await self._fill(place)
                except StartFailed as error:
                    logger.error(  # The worker itself has said what went wrong.
                        "rolling restart stopped: a new worker did not start (%s). %d of %d are replaced, "
                        "the others go on as they were; mend it and send SIGHUP again",
                        error, replaced, len(self._places),
                    )  # fmt: skip
                    return
            self._watch(place)
            if before is not None:
                before.leave()
                await self._end(before)
        logger.info("rolling restart of %d workers is done", len(self._places))

    async def _end_all(self) -> None:
        hurrying = asyncio.create_task(self._hurry())
        for worker in self._alive:
            worker.stop()
        await asyncio.gather(*map(self._end, list(self._alive)))
        hurrying.cancel()

    async def _hurry(self) -> None:
        await self._hurry_wanted.wait()
        for worker in self._alive:
            worker.hurry()
        await asyncio.sleep(HURRY_SECONDS)
        for worker in self._alive:
            logger.error("a worker did not end at once (pid %d): killed", worker.pid)
            worker.kill()


def describe(return_code: int) -> str:
    """How a process ended, in words."""
    if return_code >= 0:
        return f"exit status {return_code}"
    try:
        return f"signal {signal.Signals(-return_code).name}"
    except ValueError:
        # Real-time signals have no names.
        return f"signal {-return_code}"


def to_exit_status(return_code: int) -> int:
    """As shells have it: 128 and the signal's number where one ended the process."""
    return 128 - return_code if return_code < 0 else return_code


# ── Real processes ────────────────────────────────────────────────────────────────────────────────


class WorkerProcess:
    """Implements Worker: a fresh interpreter with the same command line. Needs a running loop.

    Somebody has to call `poll` when a child has ended (SIGCHLD). Raises OSError where the system has
    no process to give.
    """

    def __init__(self, listener: socket.socket, loads: int, place: int) -> None:
        loop = asyncio.get_running_loop()
        self._ready, ready = os.pipe()
        lifeline, self._lifeline = os.pipe()
        inheritance = Inheritance(
            listener=listener.fileno(), ready=ready, lifeline=lifeline, loads=loads, place=place
        )
        try:
            self._process = subprocess.Popen(  # noqa: S603  # Our own command line.
                [sys.executable, *sys.orig_argv[1:], "--as-worker", str(inheritance)],
                pass_fds=inheritance.descriptors,
                stdin=subprocess.DEVNULL,
                # Ctrl+C reaches every process of the terminal's foreground group. The supervisor alone
                # is to act on it.
                start_new_session=True,
            )
        except OSError:
            os.close(self._ready)
            os.close(self._lifeline)
            raise
        finally:
            os.close(ready)
            os.close(lifeline)
        self._return_code: asyncio.Future[int] = loop.create_future()
        # True: it listens. False: it ended, or closed the pipe, without that.
        self._listening: asyncio.Future[bool] = loop.create_future()
        loop.add_reader(self._ready, self._on_ready)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def listen(self) -> bool:
        return await asyncio.shield(self._listening)

    async def wait(self) -> int:
        return await asyncio.shield(self._return_code)

    def leave(self) -> None:
        self._process.terminate()

    def stop(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if not self._listening.done():
            # It will look at its lifeline only once it listens.
            self._process.terminate()

    def hurry(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    def poll(self) -> bool:
        """Takes notice of the end. Whether it has ended."""
        return_code = self._process.poll()
        if return_code is None:
            return False
        if not self._return_code.done():
            self._return_code.set_result(return_code)
            self._close_ready(is_listening=False)
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
        return True

    def _on_ready(self) -> None:
        self._close_ready(is_listening=os.read(self._ready, 1) != b"")

    def _close_ready(self, *, is_listening: bool) -> None:
        if not self._listening.done():
            asyncio.get_running_loop().remove_reader(self._ready)
            os.close(self._ready)
            self._listening.set_result(is_listening)


class _Terminal:
    """The terminal this was started from. When it closes, SIGHUP comes, too: that is no wish to restart."""

    def __init__(self) -> None:
        # nohup has SIGHUP ignored: who uses it wants the server to outlive the terminal.
        self._matters = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and self._is_there()

    @property
    def is_lost(self) -> bool:
        return self._matters and not self._is_there()

    @staticmethod
    def _is_there() -> bool:
        try:
            os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
        except OSError:
            return False
        return True


def supervise(
    address: Address,
    *,
    workers: int,
    stop_seconds: float,
    on_listening: Callable[[Address], None],
    on_stopping: Callable[[], None],
) -> int:
    """Serves with `workers` processes until SIGTERM or Ctrl+C; returns the exit status.

    The processes repeat this one's command line with `--as-worker`. Raises CannotListen.
    """
    with address.listen() as listener, tempfile.TemporaryFile() as memory:
        listener.settimeout(0)
        return asyncio.run(
            _supervise(
                listener,
                memory.fileno(),
                workers=workers,
                stop_seconds=stop_seconds,
                on_listening=on_listening,
                on_stopping=on_stopping,
            )
        )


async def _supervise(
    listener: socket.socket,
    memory: int,
    *,
    workers: int,
    stop_seconds: float,
    on_listening: Callable[[Address], None],
    on_stopping: Callable[[], None],
) -> int:
    Loads.allocate(memory, workers)
    loads = Loads(memory)
    processes: set[WorkerProcess] = set()

    def launch(place: int) -> WorkerProcess:
        process = WorkerProcess(listener, memory, place)
        processes.add(process)
        return process

    def on_child_ended() -> None:
        processes.difference_update([process for process in processes if process.poll()])

    def on_hangup() -> None:
        supervisor.stop() if terminal.is_lost else supervisor.roll()

    def begin_to_stop() -> None:
        # The workers go on accepting while they drain; behind them nobody would.
        listener.close()
        on_stopping()

    supervisor = Supervisor(
        workers,
        launch=launch,
        stop_seconds=stop_seconds,
        on_listening=lambda: on_listening(Address.of(listener)),
        on_stopping=begin_to_stop,
        on_vacant=loads.clear,
    )
    terminal = _Terminal()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, on_child_ended)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    loop.add_signal_handler(signal.SIGTERM, supervisor.stop)
    loop.add_signal_handler(signal.SIGINT, supervisor.interrupt)
    # One queue for all workers. It opens now, so that it is open before the first of them reads it.
    listener.listen(BACKLOG)
    return await supervisor.run()
