"""The threads of rules and hooks that use the ORM: a bounded number, each with its database connections."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# A file that was replaced by a backup's is found by then. Opening SQLite's costs more than most lookups.
KEEP_SQLITE_SECONDS = 60


class HookThreads:
    """Never more database connections for sessions than threads here, however many sockets."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="realtime-hook")

    async def run(self, function: Callable[..., Any], *args: object) -> Any:
        """Raises what the function raises. It sees the caller's context variables."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, context.run, _run_with_database, function, *args)

    def stop(self) -> None:
        """What has begun goes on to its end, unawaited; what has not begun never does."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _run_with_database(function: Callable[..., Any], *args: object) -> Any:
    # What Django does around a request: a connection that broke or grew too old is not used again.
    close_old_connections()
    kept = [connection for connection in _connections() if connection.connection is not None]
    try:
        return function(*args)
    finally:
        for connection in _connections():
            if connection not in kept:
                _keep(connection)
        close_old_connections()


def _keep(connection: BaseDatabaseWrapper) -> None:
    """Beyond CONN_MAX_AGE, for these threads alone: they are few, and live as long as the process.

    Databases other than SQLite have a pool, or a server that counts connections.
    """
    if connection.vendor == "sqlite" and connection.close_at is not None:
        connection.close_at = max(connection.close_at, time.monotonic() + KEEP_SQLITE_SECONDS)


def _connections() -> Sequence[BaseDatabaseWrapper]:
    """Of this thread, those that it has ever used."""
    return connections.all(initialized_only=True)
