"""`manage.py serve`: the server. What it does stands in project/server.py."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from project.server import Address, CannotListen, serve
from realtime.errors import ConfigurationError
from realtime.runtime import get_runtime


class Command(BaseCommand):
    """Refuses to start, in one line, where a setting is wrong or the address is taken."""

    help = "Serves HTTP and WebSocket with uvicorn and uvloop until SIGTERM or Ctrl+C."
    # Django's checks run in handle(): they would wrap what is wrong with REALTIME in four lines.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="HOST by default.")
        parser.add_argument("--port", type=int, help="PORT by default, else 8000.")

    def handle(self, *_args: Any, host: str, port: int | None, **_options: Any) -> None:
        port = _default_port() if port is None else port
        if not 0 <= port <= 65_535:
            raise CommandError(f"--port is {port}, expected 0 to 65535.")
        address = Address(host=host, port=port)
        try:
            runtime = get_runtime()
            self.check()
            serve(address, runtime, on_listening=self._say_ready, on_stopping=self._say_stopping)
        except (CannotListen, ConfigurationError) as error:
            raise CommandError(str(error)) from None

    def _say_ready(self, address: Address) -> None:
        self.stdout.write(f"Switchboard serves {address.url}  (Ctrl+C stops it)")
        self.stdout.flush()

    def _say_stopping(self, connections: int) -> None:
        # Without any, the server is gone before this could be read.
        if connections:
            self.stdout.write(
                f"Stopping: {connections} open, told to come back one by one. Ctrl+C again stops at once."
            )
            self.stdout.flush()


def _default_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal():
        raise CommandError(f"PORT is {text!r}, expected a number from 0 to 65535.")
    return int(text)
