"""Namespaces for the runs of the outbox: with history and without."""

from project.settings import test
from project.settings.test import *  # noqa: F403  # Settings are built on settings.

REALTIME = {
    **test.REALTIME,
    "NAMESPACES": {
        "locked": {"history_size": 100, "history_ttl": 60},
        "free": {},
        # Subscribers begin at a position, so that none misses what is published before pub/sub is back.
        "open": {
            "history_size": 100,
            "history_ttl": 60,
            "force_recovery": True,
            "allow_subscribe_for_client": True,
        },
    },
}
