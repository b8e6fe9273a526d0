"""publish_on_commit(): a publication that belongs to the database transaction which caused it.

A rollback, of a savepoint too, takes the publication with it. Not here yet: the relay that also
survives a crash between the commit and the publish; such a crash leaves the rows and loses the
push, which clients make up for when they read the rows.
"""

import logging
from functools import partial
from typing import Any

import msgspec
from django.db import transaction

from realtime.errors import PublishUnavailable
from realtime.runtime import get_runtime

logger = logging.getLogger(__name__)


def publish_on_commit(topic: str, data: Any) -> None:
    """Publishes `data` (bytes as they are, anything else as JSON) when the transaction has committed.

    Outside of a transaction it publishes at once. Returns before the publication is out; what then
    goes wrong is logged, since the rows are there and the caller could no longer take them back.
    """
    payload = data if isinstance(data, bytes) else msgspec.json.encode(data)
    transaction.on_commit(partial(_publish, topic, payload))


def _publish(topic: str, payload: bytes) -> None:
    try:
        get_runtime().publish_blocking(topic, payload)
    except PublishUnavailable as error:
        # A command or a shell beside the server: nobody is listening in this process.
        logger.warning("not published in %s: %s", topic, error)
    except Exception:  # The layer may be away: that must not fail a request whose rows are stored.
        logger.exception("not published in %s", topic)
