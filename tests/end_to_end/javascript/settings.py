"""A server with the probe, a log that keeps a whole test, and little patience with expired tokens."""

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.
from tests.end_to_end.settings_probe import ANYBODY, REALTIME

# Thousands of publications: a client that was cut off for all of them still recovers.
REALTIME["NAMESPACES"]["stream"] = {
    **ANYBODY,
    "history_size": 50_000,
    "history_ttl": 300,
    "force_recovery": True,
}
REALTIME["EXPIRY_GRACE"] = 1
# Pages of this address connect through proxies, which have ports of their own.
REALTIME["ALLOWED_ORIGINS"] = ["*"]
