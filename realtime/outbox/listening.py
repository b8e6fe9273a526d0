"""Hears on PostgreSQL that a process without a relay has written rows: LISTEN on a connection of its own."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

from realtime.outbox.bell import CHANNEL

logger = logging.getLogger(__name__)

# Relays look by themselves meanwhile, so that this costs rows a second at most.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0


async def listen_forever(on_rows: Callable[[], None]) -> None:
    """Calls `on_rows` at each notification; connects again where the connection is lost."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True)
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                pause = FIRST_PAUSE_SECONDS
                # Whatever was missed.
                on_rows()
                async for _ in connection.notifies():
                    on_rows()
        except (psycopg.Error, OSError) as error:
            logger.warning(
                "the outbox does not hear of other processes' rows, and looks every second: %s", error
            )
        except Exception:  # A loop that must survive.
            logger.exception("listening for rows of the outbox failed")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _parameters() -> dict[str, Any]:
    """Django's own, without what only its blocking connections understand."""
    parameters: Mapping[str, Any] = connections[DEFAULT_DB_ALIAS].get_connection_params()
    blocking = {"context", "cursor_factory", "autocommit"}
    return {name: value for name, value in parameters.items() if name not in blocking}
