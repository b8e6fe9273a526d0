"""A server whose topics soon leave Redis by themselves, and that tells what it holds over Redis."""

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.
from tests.end_to_end.settings_probe import ANYBODY, REALTIME

ROOT_URLCONF = "tests.end_to_end.churn_urls"

REALTIME["NAMESPACES"] = {
    # A log, and what is known of it, that end a second after the last publication.
    "log": {
        **ANYBODY,
        "force_recovery": True,
        "history_size": 10,
        "history_ttl": 1,
        "history_meta_ttl": 1,
    },
    "room": {**ANYBODY, "presence": True, "join_leave": True, "force_push_join_leave": True},
    "plain": ANYBODY,
}
