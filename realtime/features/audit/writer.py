"""Writes audit entries behind whoever makes them: one thread, a bounded line before it, batches."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, connections, transaction

from realtime.features.audit.models import Entry

logger = logging.getLogger(__name__)

# Of some hundred bytes each. A database that is away for a second is no loss at 2,000 orders per second.
MAX_WAITING = 2000
BATCH_SIZE = 200


def store_in_database(entries: Sequence[Entry]) -> None:
    with transaction.atomic():
        Entry.objects.bulk_create(entries)


class Writer:
    """Each entry is stored once, or logged once. Whatever waits when the process exits is stored first."""

    def __init__(
        self,
        *,
        store: Callable[[Sequence[Entry]], None] = store_in_database,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.store = store
        self._max_waiting = max_waiting
        self._waiting: deque[Entry] = deque()
        self._is_scheduled = False
        self._lock = threading.Lock()
        # Python joins its thread at exit. The thread starts with the first entry, after any fork.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def add(self, entry: Entry) -> None:
        with self._lock:
            is_full = len(self._waiting) >= self._max_waiting
            if not is_full:
                self._waiting.append(entry)
                if self._is_scheduled:
                    return
                self._is_scheduled = True
        if is_full:
            _log_instead("the line of audit entries is full", [entry])
            return
        try:
            self._thread.submit(self._write)
        except RuntimeError:
            # The interpreter is going, and takes no work any more.
            self._write()

    def flush(self) -> None:
        """Until what was added before is stored. It blocks: for tests, and for commands that end."""
        if self._is_scheduled:
            self._thread.submit(int).result()

    def _write(self) -> None:
        try:
            while batch := self._take():
                try:
                    self.store(batch)
                except (DatabaseError, InterfaceError):
                    logger.exception("audit entries could not be stored")
                    _log_instead("an audit entry was not stored", batch)
        finally:
            # Back into the pool: the next entry may come tomorrow.
            connections.close_all()

    def _take(self) -> list[Entry]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_SIZE, len(self._waiting)))]
            if not batch:
                self._is_scheduled = False
            return batch


def _log_instead(reason: str, entries: Sequence[Entry]) -> None:
    for entry in entries:
        logger.error(
            "%s: %s by %s %s %s on %s from %s: %s",
            reason, entry.action, entry.actor_kind, entry.actor_id, entry.actor_name, entry.target,
            entry.ip, entry.outcome,
        )  # fmt: skip
