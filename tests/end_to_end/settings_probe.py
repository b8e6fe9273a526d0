"""A server with the probe (probe.py), and a namespace for each kind of topic that a client may meet."""

import os
from typing import Any

from project.settings.test import *  # noqa: F403  # Settings are built on settings.
from project.settings.test import INSTALLED_APPS, REALTIME

# The tests' clients publish in storms and come back in herds, all from one address; those of limits
# set their own.
REALTIME |= {
    key: "off" for key in REALTIME if key.startswith("RATE_") and f"REALTIME_{key}" not in os.environ
}

INSTALLED_APPS += ["tests.end_to_end.probe.ProbeConfig"]
ROOT_URLCONF = "tests.end_to_end.probe_urls"

LOG: dict[str, Any] = {"history_size": 100, "history_ttl": 300}
ANYBODY: dict[str, Any] = {
    "allow_subscribe_for_client": True,
    "allow_publish_for_client": True,
    "allow_history_for_client": True,
    "allow_presence_for_client": True,
}

REALTIME["NAMESPACES"] = {
    # A log that every subscriber recovers from.
    "news": {**LOG, **ANYBODY, "force_recovery": True},
    # The same, and it keeps more than any test publishes.
    "long": {**LOG, **ANYBODY, "history_size": 100_000, "force_recovery": True},
    # The same, but it soon forgets.
    "short": {**LOG, **ANYBODY, "history_size": 2, "force_recovery": True},
    # Recovery that needs the newest alone.
    "cache": {**LOG, **ANYBODY, "force_recovery": True, "force_recovery_mode": "cache"},
    # Recovery for those who ask.
    "asked": {**LOG, **ANYBODY},
    # Who is there, and told to all.
    "room": {**ANYBODY, "presence": True, "join_leave": True, "force_push_join_leave": True},
    # Told to all, and nobody may ask.
    "told": {**ANYBODY, "join_leave": True, "force_push_join_leave": True},
    # Neither log nor presence.
    "plain": ANYBODY,
    # A slow reader gets the newest.
    "gauge": {**ANYBODY, "slow_consumer": "conflate"},
    # For those without a name, too.
    "open": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
    # Topics without a namespace: the personal ones among them.
    "": {**LOG, "force_recovery": True},
    # All is kept, and nobody may look.
    "secret": {**LOG, "presence": True},
    # Only with a token.
    "closed": {},
    # Only for those named.
    "dialog": {"allow_user_limited_channels": True, "allow_publish_for_subscriber": True},
    # Keys are numbers.
    "numbered": {**ANYBODY, "channel_regex": "^[0-9]+$"},
}
