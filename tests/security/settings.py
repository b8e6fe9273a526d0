"""A server with a topic of each kind that somebody might break into."""

from typing import Any

from project.settings.test import *  # noqa: F403  # Settings are built on settings.
from project.settings.test import REALTIME

LOG: dict[str, Any] = {"history_size": 100, "history_ttl": 300}

REALTIME["NAMESPACES"] = {
    # For whoever has a connection.
    "open": {**LOG, "allow_subscribe_for_client": True, "allow_publish_for_client": True},
    # For whoever has a token for the very topic.
    "closed": {**LOG, "presence": True},
    # For those whose ids stand in the name.
    "dialog": {"allow_user_limited_channels": True},
}
