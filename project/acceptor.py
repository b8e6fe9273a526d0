"""How workers share one listening socket evenly. It knows no HTTP and starts no process.

All of them wait at the same socket, and the kernel wakes all of them for each connection: left to
that, the one that wakes fastest gets nearly all (3 against 197, measured). A socket per worker
(SO_REUSEPORT) would be even, but what waits in a socket's queue is reset when its worker goes. So
the socket stays one, and a worker that has more connections than another steps back for a moment.
"""

import asyncio
import errno
import logging
import mmap
import os
import socket
import struct
from collections.abc import Callable

logger = logging.getLogger(__name__)

# Long enough for another worker to wake and accept, too short for anybody to notice.
STEP_BACK_SECONDS = 0.005
# Who stepped back and still finds connections waiting takes so many: the others are busy or stuck.
# More would undo the balance when they only waited for a CPU; fewer, keep clients waiting.
TAKEN_AFTER_STEPPING_BACK = 4
# Descriptors or memory are used up; asking again at once would only burn the CPU.
RETRY_SECONDS = 1.0
USED_UP = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# One number per place: the connections plus one, 0 where nobody accepts.
SLOT = struct.Struct("=I")


class Loads:
    """How many connections each worker has: shared memory, written by each at its own place.

    Nobody locks it. A number that is a moment old costs a connection in the wrong worker.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, 0)
        self._places = range(len(self._memory) // SLOT.size)

    @staticmethod
    def allocate(descriptor: int, places: int) -> None:
        """Makes the file behind `descriptor` fit for `places` workers, none of which accepts."""
        os.ftruncate(descriptor, SLOT.size * places)

    def put(self, place: int, connections: int) -> None:
        SLOT.pack_into(self._memory, place * SLOT.size, connections + 1)

    def clear(self, place: int) -> None:
        """Nobody accepts there."""
        SLOT.pack_into(self._memory, place * SLOT.size, 0)

    def get_least_of_others(self, place: int) -> int | None:
        """None: nobody else accepts."""
        others = [self._get(other) for other in self._places if other != place]
        return min((number - 1 for number in others if number), default=None)

    def _get(self, place: int) -> int:
        number: int = SLOT.unpack_from(self._memory, place * SLOT.size)[0]
        return number


class Acceptor:
    """Accepts from a shared socket, one connection per turn of the loop, until it is closed.

    `connections` counts those that are open already, `loads` and `place` tell it about the others.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        loads: Loads,
        place: int,
        connections: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_protocol = make_protocol
        self._loads = loads
        self._place = place
        self._connections = connections
        self._handing_over: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.report()
        self._watch()

    @property
    def is_handing_over(self) -> bool:
        """Whether a connection was accepted and its protocol does not know of it yet."""
        return bool(self._handing_over)

    def report(self) -> None:
        """Tells the others how many connections are here. To be called now and then: they also end."""
        if not self._is_closed:
            self._loads.put(self._place, self._count())

    def close(self) -> None:
        """Takes no more; who was accepted stays. The others go on with the socket."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._listener)
        self._listener.close()

    def _count(self) -> int:
        return self._connections() + len(self._handing_over)

    def _watch(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._on_waiting)

    def _on_waiting(self) -> None:
        least = self._loads.get_least_of_others(self._place)
        # A few more or less are not worth the wait.
        if least is not None and self._count() > least + 2 + least // 20:
            self._pause_for(STEP_BACK_SECONDS, self._come_back)
        else:
            self._accept()

    def _come_back(self) -> None:
        self._watch()
        for _ in range(TAKEN_AFTER_STEPPING_BACK):
            if not self._accept():
                return

    def _pause_for(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, then)

    def _accept(self) -> bool:
        """Whether there was a connection."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another worker was faster, or the client is gone again.
            return False
        except OSError as error:
            if error.errno not in USED_UP:
                raise
            logger.error("no connection can be accepted now: %s", error.strerror)
            self._pause_for(RETRY_SECONDS, self._watch)
            return False
        connection.settimeout(0)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._make_protocol, connection)
        )
        self._handing_over.add(task)
        task.add_done_callback(self._on_handed_over)
        self.report()
        return True

    def _on_handed_over(self, task: "asyncio.Task[object]") -> None:
        self._handing_over.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The client went in this very moment, more often than not.
            logger.info("an accepted connection could not be used: %s", error)
