"""Tells all processes that rules may answer otherwise now: at once, or as soon as the topic layer is back."""

import logging
import threading
import time
from collections.abc import Iterator

from realtime.errors import LayerUnavailable, PublishUnavailable, RealtimeError
from realtime.orders import RecheckSessions, RuleChange
from realtime.revocation.batch import Batch
from realtime.runtime import get_runtime

logger = logging.getLogger(__name__)

# So that an order stays well below what the control bus takes (realtime/control.py).
CHANGES_PER_ORDER = 100
# While the topic layer is away. Longer than any outage in which connections survive.
RETRY_SECONDS = 1.0
GIVE_UP_SECONDS = 600


class Sender:
    """Of one process. What waits is bounded (batch.py), and lost where the process ends before it is sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = Batch()
        self._thread: threading.Thread | None = None

    def send(self, changes: list[RuleChange]) -> None:
        if not changes:
            return
        with self._lock:
            if self._thread is not None:
                # One transaction after the other would wait for a layer that is away.
                self._keep(changes)
                return
        if not _try_to_send(changes):
            with self._lock:
                self._keep(changes)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._retry, name="realtime-recheck", daemon=True)
                    self._thread.start()

    def _keep(self, changes: list[RuleChange]) -> None:
        for change in changes:
            self._waiting.add(change)

    def _retry(self) -> None:
        for _ in range(int(GIVE_UP_SECONDS / RETRY_SECONDS)):
            time.sleep(RETRY_SECONDS)
            with self._lock:
                changes = self._waiting.take()
                if not changes:
                    self._thread = None
                    return
            if not _try_to_send(changes):
                with self._lock:
                    self._keep(changes)
        with self._lock:
            self._thread = None
            self._waiting.take()
        logger.error("sessions were not told that rules may answer otherwise: the topic layer is away")


def _try_to_send(changes: list[RuleChange]) -> bool:
    """False where it is worth another attempt."""
    try:
        runtime = get_runtime()
        for part in _parts_of(changes):
            runtime.send_order_blocking(RecheckSessions(changes=part))
    except PublishUnavailable as error:
        # A command beside a server of one process, say: nothing that it could reach.
        logger.debug("sessions are not told that rules may answer otherwise: %s", error)
    except (LayerUnavailable, OSError) as error:
        logger.warning("sessions are not yet told that rules may answer otherwise: %s", error)
        return False
    except RealtimeError:
        logger.exception("sessions are not told that rules may answer otherwise")
    return True


def _parts_of(changes: list[RuleChange]) -> Iterator[tuple[RuleChange, ...]]:
    for first in range(0, len(changes), CHANGES_PER_ORDER):
        yield tuple(changes[first : first + CHANGES_PER_ORDER])
