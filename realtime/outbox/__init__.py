"""publish_on_commit(): a publication that belongs to the database transaction which caused it.

    publish_on_commit()  writes a row in the caller's transaction     write.py, models.py
    → commit             rings the bell of this process' relay        bell.py
                         (PostgreSQL: or notifies all of them)        listening.py
    → Relay              publishes what waits, in order               relay.py
    → rows go            deleted, or parked where they cannot be      store.py
                         published by anybody

A relay runs in every process that serves clients (realtime/runtime.py), or in processes of its own
(`manage.py relay`). Several are safe: see relay.py.
"""

from realtime.outbox.write import publish_on_commit

__all__ = ["publish_on_commit"]
