"""Namespaces for the runs of the outbox: with history and without."""

from project.settings import test
from project.settings.test import *  # noqa: F403  # Settings are built on settings.

REALTIME = {
    **test.REALTIME,
    "NAMESPACES": {
        "locked": {"history_size": 100, "history_ttl": 60},
        "free": {},
        "open": {"history_size": 100, "history_ttl": 60, "allow_subscribe_for_client": True},
    },
}
