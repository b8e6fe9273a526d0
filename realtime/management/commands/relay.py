"""`manage.py relay`: publishes what transactions left in the outbox, in a process that serves nobody."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from realtime.runtime import Runtime, get_runtime


class Command(BaseCommand):
    """Refuses where no client could be reached from here. Several are safe, beside servers, too."""

    help = "Publishes what publish_on_commit() left in the outbox, until SIGTERM or Ctrl+C."

    def handle(self, *_args: Any, **_options: Any) -> None:
        runtime = get_runtime()
        if not runtime.layer.is_shared:
            raise CommandError(
                "The memory layer reaches only the clients of its own process, so the server has to relay "
                "by itself, and does (REALTIME_OUTBOX_RELAY). For relays of their own set REDIS_URL."
            )
        asyncio.run(self._relay(runtime))

    async def _relay(self, runtime: Runtime) -> None:
        is_over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, is_over.set)
        runtime.outbox.start()
        self.stdout.write("Relaying the outbox. Stop with Ctrl+C.")
        self.stdout.flush()
        await is_over.wait()
        await runtime.outbox.stop()
        await runtime.layer.close()
