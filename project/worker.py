"""A worker: one of several server processes at one port, started by a supervisor (project/supervisor.py).

What it inherits from there are descriptors:

    listener    the socket that all workers accept from
    ready       a pipe; a byte in it says that this worker accepts
    lifeline    a pipe that ends when all workers are to stop, or when the supervisor is no more
    loads       memory in which the workers tell each other how many connections they have

SIGTERM means that this worker alone leaves, since a successor is there. It accepts nothing from
then on, as the others do; whoever it has accepted is served and sent away like in any other stop.
"""

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import astuple, dataclass, fields

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from project.acceptor import Acceptor, Loads
from project.http_protocol import DeadlineHttpProtocol
from project.server import GentleServer, make_config
from project.websocket import FramesProtocol
from realtime.runtime import Runtime

# How long a connection that was accepted may take to make its request, once its worker leaves:
# many round trips, even to the other side of the world.
SETTLE_SECONDS = 1.0
# How long the first connection to the topic layer may take before clients are let in without it: a
# predecessor need not leave before that, and where the layer is away, waiting would not help.
LAYER_PATIENCE_SECONDS = 3.0
LOOK_EVERY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The descriptors that a worker is born with, and its place among the workers, from 0."""

    listener: int
    ready: int
    lifeline: int
    loads: int
    place: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self.listener, self.ready, self.lifeline, self.loads)

    def __str__(self) -> str:
        """As one argument of a command line; `parse` reads it."""
        return ",".join(map(str, astuple(self)))

    @classmethod
    def parse(cls, text: str) -> "Inheritance":
        """Raises ValueError."""
        numbers = [int(part) for part in text.split(",")]
        if len(numbers) != len(fields(cls)):
            raise ValueError(f"expected {len(fields(cls))} numbers")
        return cls(*numbers)


class WorkerServer(GentleServer):
    """Serves what it gets from the shared socket, and leaves without failing the port's readiness."""

    def __init__(self, inheritance: Inheritance, runtime: Runtime) -> None:
        super().__init__(
            make_config(runtime), runtime=runtime, on_listening=self._report, on_stopping=lambda _open: None
        )
        self.server_state = self._http_state = _State()
        self._inheritance = inheritance
        self._listener = socket.socket(fileno=inheritance.listener)
        self._loads = Loads(inheritance.loads)
        self._acceptor: Acceptor | None = None
        self._all_stop = False

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inheritance.lifeline, self._on_lifeline)
        deadline = loop.time() + LAYER_PATIENCE_SECONDS
        while not (self._is_connected() or self.should_exit or loop.time() > deadline):  # noqa: ASYNC110  # None of them sets an event.
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        self._acceptor = Acceptor(
            self._listener,
            # As uvicorn makes them for a socket of its own.
            lambda: _HttpProtocol(self.config, self._http_state, self.lifespan.state),
            loads=self._loads,
            place=self._inheritance.place,
            connections=lambda: len(self.server_state.connections),
        )

    def _is_connected(self) -> bool:
        return self.runtime.is_ready and self.runtime.layer.is_available

    def _report(self) -> None:
        # Without a supervisor nobody reads it; the lifeline says the same.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._inheritance.ready, b"!")
        os.close(self._inheritance.ready)

    def _on_lifeline(self) -> None:
        asyncio.get_running_loop().remove_reader(self._inheritance.lifeline)
        self._all_stop = True
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._acceptor is not None:
            self._acceptor.report()
        return await super().on_tick(counter)

    async def drain(self) -> None:
        if self._acceptor is None:
            return
        if self._all_stop:
            # As a single process does: load balancers are to see 503, not a closed port.
            await super().drain()
            self._acceptor.close()
        else:
            self._acceptor.close()
            await self._settle()
            # The port stays ready: nobody needs to see that this process is not.
            await self.runtime.drain(delay_seconds=0)

    async def _settle(self) -> None:
        """Serves who was accepted and has not asked yet, and tells kept connections to come no more."""
        self._http_state.is_leaving = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        while self._has_unsettled() and loop.time() < deadline:  # noqa: ASYNC110  # uvicorn sets no events.
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        for connection in list(self.server_state.connections):
            # A kept one would ask for the readiness of a process that is going, and take it for the port's.
            if isinstance(connection, HttpToolsProtocol):
                connection.shutdown()

    def _has_unsettled(self) -> bool:
        is_handing_over = self._acceptor is not None and self._acceptor.is_handing_over
        return is_handing_over or any(map(_is_unsettled, self.server_state.connections))


def _is_unsettled(connection: object) -> bool:
    """Whether it may still ask for something, a WebSocket too: once draining, this process refuses it."""
    if isinstance(connection, FramesProtocol):
        return not connection.handshake_complete
    return isinstance(connection, HttpToolsProtocol)


class _State(ServerState):
    """What the connections of a worker share."""

    is_leaving = False


class _HttpProtocol(DeadlineHttpProtocol):
    """Such that each answer of a worker that leaves ends its connection."""

    def __init__(self, config: uvicorn.Config, state: _State, lifespan_state: dict[str, object]) -> None:
        super().__init__(config, state, lifespan_state)
        self._state = state

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._state.is_leaving and self.cycle is not None:
            # Its task has not begun yet, so that the answer's headers will say it.
            self.cycle.keep_alive = False


def work(inheritance: Inheritance, runtime: Runtime) -> None:
    """Serves until its supervisor, or a signal, says stop."""
    for descriptor in inheritance.descriptors:
        # Not for the children of this process: they would keep the socket and the pipes open.
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # It takes no keywords.
    # Whoever means the supervisor may hit its workers too (`pkill -HUP`); they get their turn by it.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    server = WorkerServer(inheritance, runtime)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[])
