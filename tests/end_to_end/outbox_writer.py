"""Processes that commit and roll back transactions which publish. Prints a line of JSON for each of them:
how many publications it committed, by topic.

    python -m tests.end_to_end.outbox_writer WRITERS TRANSACTIONS SEED

They serve nobody and have no relay. A publication in a topic `locked:…` takes its number from a counter
that the transaction holds the lock of, so that all writers' numbers there are one order; in `free:…`
each writer counts for itself.
"""

import json
import os
import random
import sys
from collections import Counter
from contextlib import suppress

import django
from django.db import connection, transaction

django.setup()

from realtime.outbox import publish_on_commit  # noqa: E402  # It imports models, which exist only now.

LOCKED = [f"locked:{number}" for number in range(4)]
FREE = [f"free:{number}" for number in range(4)]
TOPICS = [*LOCKED, *FREE]


class TakenBack(Exception):
    """Rolls back."""


class Writer:
    """`committed`: how many publications of this writer were committed, by topic."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self.committed: Counter[str] = Counter()

    def run(self, transactions: int) -> None:
        """A third of them is rolled back."""
        for number in range(transactions):
            with suppress(TakenBack):
                self._transact(is_taken_back=number % 3 == 2)

    def _transact(self, *, is_taken_back: bool) -> None:
        topic = self._rng.choice(TOPICS)
        published: Counter[str] = Counter()
        with transaction.atomic():
            for _ in range(self._rng.choice((1, 1, 2))):
                published[topic] += 1
                self._publish(topic, self.committed[topic] + published[topic])
            if self._rng.random() < 0.2:
                with suppress(TakenBack), transaction.atomic():
                    publish_on_commit(topic, {"by": self.name, "n": "of a savepoint that was rolled back"})
                    raise TakenBack
            if is_taken_back:
                raise TakenBack
        self.committed += published

    def _publish(self, topic: str, own_number: int) -> None:
        number = own_number
        if topic in LOCKED:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE test_counter SET number = number + 1 WHERE topic = %s RETURNING number", [topic]
                )
                [number] = cursor.fetchone()
        publish_on_commit(topic, {"by": self.name, "n": number})


def main(writers: str, transactions: str, seed: str) -> int:
    """Forks a process for each writer: starting Python for each would take longer than the run."""
    children = []
    for number in range(int(writers)):
        child = os.fork()
        if child == 0:
            writer = Writer(str(number), random.Random(f"{seed} {number}"))  # noqa: S311  # Repeatable.
            writer.run(int(transactions) // int(writers))
            os.write(1, f"{json.dumps({writer.name: writer.committed})}\n".encode())
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
