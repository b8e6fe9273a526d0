"""`manage.py serve`: the server. What it does stands in project/server.py and project/supervisor.py."""

import argparse
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from project.server import GRACE_SECONDS, Address, CannotListen, serve
from project.settings.environment import WORKERS
from project.supervisor import supervise
from project.worker import SETTLE_SECONDS, Inheritance, work
from realtime.conf import load_site
from realtime.errors import ConfigurationError
from realtime.production import refuse_unsafe
from realtime.runtime import Runtime, get_runtime


class Command(BaseCommand):
    """Refuses to start, in one line, where a setting is wrong or the address is taken."""

    help = "Serves HTTP and WebSocket with uvicorn and uvloop until SIGTERM or Ctrl+C."
    # Django's checks run in handle(): they would wrap what is wrong with REALTIME in four lines.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="HOST by default.")
        parser.add_argument("--port", type=int, help="PORT by default, else 8000.")
        parser.add_argument("--workers", type=int, help="Processes; WORKERS by default, else 1.")
        # How the supervisor starts its workers.
        parser.add_argument("--as-worker", type=Inheritance.parse, help=argparse.SUPPRESS)

    def handle(
        self,
        *_args: Any,
        host: str,
        port: int | None,
        workers: int | None,
        as_worker: Inheritance | None,
        **_options: Any,
    ) -> None:
        port = _default_port() if port is None else port
        if not 0 <= port <= 65_535:
            raise CommandError(f"--port is {port}, expected 0 to 65535.")
        workers = WORKERS.read() if workers is None else workers
        if workers < 1:
            raise CommandError(f"--workers is {workers}, expected 1 or more.")
        address = Address(host=host, port=port)
        try:
            runtime = get_runtime()
            # First, since it takes one line; the checks take four.
            refuse_unsafe(load_site(), runtime.settings)
            self.check()
            if as_worker is not None:
                work(as_worker, runtime)
            elif workers == 1:
                serve(address, runtime, on_listening=self._say_ready, on_stopping=self._say_stopping)
            else:
                self._supervise(address, runtime, workers)
        except (CannotListen, ConfigurationError) as error:
            raise CommandError(str(error)) from None

    def _supervise(self, address: Address, runtime: Runtime, workers: int) -> None:
        if not runtime.layer.is_shared:
            raise CommandError(
                f"--workers is {workers}, but the topics are in the memory of one process: clients of one "
                "worker would miss what is published in another. Set REDIS_URL, such as "
                "REDIS_URL=redis://127.0.0.1:6379/0, or serve with --workers 1."
            )
        drain_seconds = runtime.settings.shutdown_delay_seconds + runtime.settings.shutdown_spread_seconds
        status = supervise(
            address,
            workers=workers,
            # After the drain come uvicorn's own patience and the farewell from Redis.
            stop_seconds=SETTLE_SECONDS + drain_seconds + 2 * GRACE_SECONDS,
            on_listening=lambda address: self._say_ready(address, f" with {workers} workers"),
            on_stopping=lambda: self._say(
                "Stopping: clients are told to come back one by one. Ctrl+C again stops at once."
            ),
        )
        if status:
            sys.exit(status)

    def _say_ready(self, address: Address, how: str = "") -> None:
        self._say(f"Switchboard serves {address.url}{how}  (Ctrl+C stops it)")

    def _say_stopping(self, connections: int) -> None:
        # Without any, the server is gone before this could be read.
        if connections:
            self._say(
                f"Stopping: {connections} open, told to come back one by one. Ctrl+C again stops at once."
            )

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _default_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal():
        raise CommandError(f"PORT is {text!r}, expected a number from 0 to 65535.")
    return int(text)
