"""Gathers the changes of a transaction and tells them with its commit: not before, not after a rollback."""

import threading
from collections.abc import Callable, Iterable

from django.db import transaction
from django.db.models import Model

from realtime.revocation.batch import Batch
from realtime.revocation.dependency import Dependency
from realtime.revocation.sender import Sender


class _Open(threading.local):
    """The batch of the transaction that is open on each connection; Django's are a thread's own, too."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}


_open = _Open()
_sender = Sender()


def note_all(using: str, dependency: Dependency, rows: Iterable[Model]) -> None:
    def add(batch: Batch) -> None:
        for row in rows:
            dependency.add_to(batch, row)
            if batch.has_all_of(dependency.namespaces):
                return

    note(using, add)


def note(using: str, add: Callable[[Batch], None]) -> None:
    connection = transaction.get_connection(using)
    if not connection.run_on_commit:
        # Nothing of the last transaction waits any more: it is over, well or badly.
        _open.batches.pop(using, None)
    batch = _open.batches.setdefault(using, Batch())
    add(batch)
    if batch:
        # Each time, since a savepoint that is rolled back takes what was registered in it along. The
        # first that runs sends all; what a savepoint has undone is asked in vain, and ends nothing.
        transaction.on_commit(lambda: _sender.send(batch.take()), using=using)
