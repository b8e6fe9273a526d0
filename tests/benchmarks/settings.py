"""Settings of the measured server: the development settings without limits, tokens and debug output."""

from project.settings.dev import *  # noqa: F403  # Settings are built on settings.
from project.settings.dev import REALTIME

# With DEBUG on, Django keeps every SQL query in memory.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]

REALTIME |= {
    "INSECURE_CLIENT": True,
    # All clients come from one address, as one anonymous user.
    "MAX_CONNECTIONS": 0,
    "MAX_CONNECTIONS_PER_USER": 0,
    "NAMESPACES": {
        "": {},
        "log": {"history_size": 100, "history_ttl": 300, "force_recovery": True},
    },
}
