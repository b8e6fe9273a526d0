"""A serving process in small: a thread that commits transactions, the engine's loop, and a listener.

It takes jobs, one JSON object a line, and answers each with a line that says what it came to. Database
and layer are those of the environment; the schema must be there.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial

import django
import msgspec
import uvloop
from django.db import connection, transaction

django.setup()

from django.contrib.auth.models import User  # noqa: E402  # Once Django is set up.

from realtime.features.chat.models import Message, Room  # noqa: E402  # Once Django is set up.
from realtime.messages import Publication  # noqa: E402  # Once Django is set up.
from realtime.outbox import publish_on_commit  # noqa: E402  # Once Django is set up.
from realtime.runtime import get_runtime  # noqa: E402  # Once Django is set up.
from tests.benchmarks.outbox_jobs import Done, How, Job  # noqa: E402  # Once Django is set up.

TOPIC = "plain:bench"
TEXT = "x" * 100
DRAINED_WITHIN_SECONDS = 30


class Ears:
    """Implements Listener: when each publication was heard."""

    def __init__(self) -> None:
        self.heard_at: dict[int, float] = {}

    def hear(self, publication: Publication) -> None:
        self.heard_at[msgspec.json.decode(publication.data)["n"]] = time.perf_counter()

    def lost(self) -> None:
        raise AssertionError("nothing happens to the layer here")


class Writer:
    """Lives in one thread, as a view that is not async does."""

    def __init__(self) -> None:
        self.number = 0

    def write(self, job: Job) -> dict[int, float]:
        """When each transaction had committed, by its number."""
        room, _ = Room.objects.get_or_create(slug="bench", defaults={"name": "Bench"})
        author, _ = User.objects.get_or_create(username="bench")
        publish: dict[How, Callable[[int], None]] = {
            "no publication": lambda _: None,
            "published after commit": lambda number: transaction.on_commit(
                lambda: publish_now({"n": number, "text": TEXT})
            ),
            "outbox": lambda number: publish_on_commit(TOPIC, {"n": number, "text": TEXT}),
        }
        committed_at: dict[int, float] = {}
        began = time.perf_counter()
        while (now := time.perf_counter()) - began < job.seconds:
            if job.per_second and len(committed_at) > (now - began) * job.per_second:
                time.sleep(0.5 / job.per_second)
                continue
            self.number += 1
            with transaction.atomic():
                Message.objects.create(room=room, author=author, text=TEXT, client_id=uuid.uuid4())
                # Before what is published by the commit itself.
                transaction.on_commit(partial(note_time, committed_at, self.number))
                publish[job.how](self.number)
        connection.close()
        return committed_at


def note_time(times: dict[int, float], number: int) -> None:
    times[number] = time.perf_counter()


def publish_now(data: object) -> None:
    get_runtime().publish_blocking(TOPIC, msgspec.json.encode(data))


async def work() -> None:
    runtime, ears, writer = get_runtime(), Ears(), Writer()
    runtime.start()
    await runtime.hub.listen(TOPIC, ears, history=None)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        job = msgspec.json.decode(line, type=Job)
        ears.heard_at.clear()
        cpu, began = time.process_time(), time.perf_counter()
        committed_at = await asyncio.to_thread(writer.write, job)
        seconds = time.perf_counter() - began
        if job.how != "no publication":
            async with asyncio.timeout(DRAINED_WITHIN_SECONDS):
                while len(ears.heard_at) < len(committed_at):  # noqa: ASYNC110  # Another process sets no events of ours.
                    await asyncio.sleep(0.01)
        done = Done(
            count=len(committed_at),
            seconds=seconds,
            cpu_seconds=time.process_time() - cpu,
            lags=[at - committed_at[number] for number, at in ears.heard_at.items()],
        )
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()
    await runtime.stop()


if __name__ == "__main__":
    uvloop.run(work())
