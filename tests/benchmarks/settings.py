"""Settings of the measured server: the development settings without limits, tokens and debug output."""

from project.settings.dev import *  # noqa: F403  # Settings are built on settings.
from project.settings.dev import REALTIME
from tests.benchmarks.api_key import API_KEY

# With DEBUG on, Django keeps every SQL query in memory.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]

ROOT_URLCONF = "tests.benchmarks.urls"

# A new table: the old one is also that of whoever imports both modules.
REALTIME = {
    **REALTIME,
    "INSECURE_CLIENT": True,
    "API_KEYS": [API_KEY],
    # All clients come from one address, as one anonymous user.
    "MAX_CONNECTIONS": 0,
    "MAX_CONNECTIONS_PER_USER": 0,
    # Counted as ever, so that it is part of what is measured, and never reached.
    **{key: "1000000/s" for key in REALTIME if key.startswith("RATE_")},
    "NAMESPACES": {
        "": {},
        "log": {"history_size": 100, "history_ttl": 300, "force_recovery": True},
    },
}
