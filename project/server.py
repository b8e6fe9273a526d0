"""The engine of `manage.py serve`: uvicorn on uvloop, with our WebSocket protocol and a gentle stop."""

import asyncio
import contextlib
import errno
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn

from project.http_protocol import DeadlineHttpProtocol
from project.websocket import FramesProtocol
from realtime.runtime import Runtime

# How long requests and hooks that are under way may take once all sockets are told to close.
GRACE_SECONDS = 10
# Connections that may wait to be accepted: clients come back all at once after a deploy.
BACKLOG = 4096


class CannotListen(Exception):
    """The address cannot be had. The text is for the person who started the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @classmethod
    def of(cls, listener: socket.socket) -> "Address":
        """The real one: port 0 stands for any free port."""
        host, port, *_ = listener.getsockname()
        return cls(host=host, port=port)

    def listen(self) -> socket.socket:
        """Raises CannotListen."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError as error:
            listener.close()
            raise CannotListen(self._explain(error)) from error
        return listener

    def _explain(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                f"Port {self.port} on {self.host} is in use. Stop what is using it, or choose another: "
                f"PORT={self.port + 1} make run"
            )
        return (
            f"Cannot listen on {self.host} port {self.port}: {error.strerror}. Choose another HOST or PORT."
        )


class GentleServer(uvicorn.Server):
    """Stops in order: readiness fails, clients are told in a spread (3001), then uvicorn shuts down.

    All that while it goes on accepting and serving, so that no request is refused before load
    balancers have seen that this process is going. A second Ctrl+C ends it at once.
    A worker that leaves while others serve the port does otherwise: project/worker.py.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        runtime: Runtime,
        on_listening: Callable[[], None],
        on_stopping: Callable[[int], None],
    ) -> None:
        super().__init__(config)
        self.runtime = runtime
        self._on_listening = on_listening
        self._on_stopping = on_stopping
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _relieve_garbage_collector()
        await self.open()
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.force_exit:
            self._on_stopping(len(self.runtime.sessions))
            self._draining = asyncio.create_task(self.drain())
            # Cancelled by a second Ctrl+C, below.
            await asyncio.wait([self._draining])
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn leaves it out, and then logs the application's surprise at being cancelled.
            await self.lifespan.shutdown()

    async def open(self) -> None:
        """What comes after uvicorn's own startup."""

    async def drain(self) -> None:
        """What comes before uvicorn's own shutdown."""
        await self.runtime.drain()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal handler: it runs in the middle of anything."""
        super().handle_exit(sig, frame)
        if self.force_exit and self._draining is not None:
            self._draining.get_loop().call_soon_threadsafe(self._draining.cancel)


def _relieve_garbage_collector() -> None:
    """What is here now stays, so it need not be looked at again; a third of connecting was that.

    Connections are freed by their reference counts. Cycles are left to a collector that comes by
    every 100,000 new objects instead of every 700.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def serve(
    address: Address,
    runtime: Runtime,
    *,
    on_listening: Callable[[Address], None],
    on_stopping: Callable[[int], None],
) -> None:
    """Serves until SIGTERM or Ctrl+C. Raises CannotListen.

    Calls `on_listening` once clients can connect, and `on_stopping` with the number of connections
    that are still to be closed.
    """
    listener = address.listen()
    server = GentleServer(
        make_config(runtime),
        runtime=runtime,
        on_listening=lambda: on_listening(Address.of(listener)),
        on_stopping=on_stopping,
    )
    # uvicorn stops gently at Ctrl+C and then raises it once more for whoever started it.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def make_config(runtime: Runtime) -> uvicorn.Config:
    return uvicorn.Config(
        "project.asgi:application",
        loop="uvloop",
        http=DeadlineHttpProtocol,
        ws=FramesProtocol,
        lifespan="on",
        ws_max_size=runtime.settings.limits.max_message_bytes,
        # The protocol pings by itself, and knows what an answer is worth.
        ws_ping_interval=None,
        # Broadcasts are framed once for all; a context per connection would forbid that.
        ws_per_message_deflate=False,
        # Whose headers to trust is for the project to say, not for uvicorn to guess.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        # Django's LOGGING has configured the loggers.
        log_config=None,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
