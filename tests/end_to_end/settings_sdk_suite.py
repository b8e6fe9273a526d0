"""The server that centrifuge-python's own suite expects: its token secret, namespaces, personal topic."""

from project.settings.test import *  # noqa: F403  # Settings are built on settings.

REALTIME = {
    "TOKEN_HMAC_SECRET": "secret",
    "SUBSCRIBE_TO_PERSONAL_TOPIC": True,
    "NAMESPACES": {
        "": {
            "presence": True,
            "join_leave": True,
            "force_push_join_leave": True,
            "history_size": 100,
            "history_ttl": 300,
            "force_recovery": True,
            "allow_publish_for_subscriber": True,
            "allow_presence_for_subscriber": True,
            "allow_history_for_subscriber": True,
            "allowed_delta_types": ["fossil"],
            "delta_publish": True,
        },
        "smallhistory": {
            "history_size": 2,
            "history_ttl": 300,
            "force_recovery": True,
            "allow_publish_for_subscriber": True,
            "allow_history_for_subscriber": True,
        },
    },
}
