"""Windows of time in which servers were watched at work, and the loops that make them work. No figures."""

import asyncio
import functools
import operator
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.load import Commander, Crowd, LoadError, Request
from tests.benchmarks.processes import Cpu, Server

DEADLINE_SECONDS = 60
WARM_UP_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What happened between two looks at a server."""

    seconds: float
    server: Cpu
    waited_seconds: float
    load_seconds: float
    answers: int
    deliveries: int

    def __add__(self, other: "Window") -> "Window":
        return Window(
            seconds=self.seconds + other.seconds,
            server=self.server + other.server,
            waited_seconds=self.waited_seconds + other.waited_seconds,
            load_seconds=self.load_seconds + other.load_seconds,
            answers=self.answers + other.answers,
            deliveries=self.deliveries + other.deliveries,
        )

    def per_answer(self) -> Cpu:
        """Return microseconds per answered request."""
        return _micros(self.server, self.answers)

    def per_delivery(self) -> Cpu:
        """Return microseconds per delivery."""
        return _micros(self.server, self.deliveries)

    def busy(self) -> str:
        """Say how busy the two cores were, and whether others got in the way."""
        server, load = self.server.total / self.seconds, self.load_seconds / self.seconds
        text = f"server {server:.0%} of its core, load {load:.0%}"
        waited = self.waited_seconds / self.seconds
        return text if waited < 0.05 else f"{text}; others took {waited:.0%} of the server's"


class Watch:
    """Begins to look at servers, taken together; `end` gives what happened since."""

    def __init__(self, *servers: Server) -> None:
        self._servers = servers
        self._began = time.monotonic()
        self._cpu = self._server_cpu()
        self._waited_seconds = self._server_waited_seconds()
        self._load_seconds = _own_cpu_seconds()

    def end(self, *, answers: int, deliveries: int) -> Window:
        return Window(
            seconds=time.monotonic() - self._began,
            server=self._server_cpu() - self._cpu,
            waited_seconds=self._server_waited_seconds() - self._waited_seconds,
            load_seconds=_own_cpu_seconds() - self._load_seconds,
            answers=answers,
            deliveries=deliveries,
        )

    def _server_cpu(self) -> Cpu:
        return functools.reduce(operator.add, (server.cpu() for server in self._servers))

    def _server_waited_seconds(self) -> float:
        return sum(server.waited_seconds() for server in self._servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """Publishers with a fixed number of requests outstanding, before an audience."""

    server: Server
    clients: Crowd
    commanders: Sequence[Commander]
    request: Request
    window: int

    async def run(self, seconds: float) -> Window:
        """Run for so long; return the part after the warm-up. Each publication must have reached all."""
        published, delivered = self._answers(), self.clients.tally.publications
        for commander in self.commanders:
            commander.start(self.request, window=self.window)
        await asyncio.sleep(WARM_UP_SECONDS)
        watch, answers, deliveries = Watch(self.server), self._answers(), self.clients.tally.publications
        await asyncio.sleep(seconds)
        window = watch.end(
            answers=self._answers() - answers, deliveries=self.clients.tally.publications - deliveries
        )
        for commander in self.commanders:
            await commander.stop(within_seconds=DEADLINE_SECONDS)
        if len(self.clients):
            expected = delivered + (self._answers() - published) * len(self.clients)
            await self.clients.tally.reach(expected, within_seconds=DEADLINE_SECONDS)
        self.clients.check_alive()
        return window

    def _answers(self) -> int:
        return sum(commander.answered for commander in self.commanders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Publications from outside, `outstanding` at a time: each follows when an earlier one has reached all.

    `publish` makes one; the audience gets `copies` of it. Needs servers that deliver, not ones that answer.
    """

    servers: Sequence[Server]
    clients: Crowd
    publish: Callable[[], Awaitable[object]]
    outstanding: int
    copies: int

    async def run(self, seconds: float) -> Window:
        """Run for so long, after a warm-up. It begins and ends with nothing under way."""
        await self._publish_for(WARM_UP_SECONDS)
        watch = Watch(*self.servers)
        count = await self._publish_for(seconds)
        window = watch.end(answers=count, deliveries=count * self.copies)
        self.clients.check_alive()
        return window

    async def _publish_for(self, seconds: float) -> int:
        """Return how many publications have reached all."""
        tally, under_way = self.clients.tally, set[asyncio.Future[object]]()
        before, sent, until = tally.publications, 0, time.monotonic() + seconds
        while time.monotonic() < until:
            arrived = (tally.publications - before) // self.copies
            for _ in range(arrived + self.outstanding - sent):
                under_way.add(asyncio.ensure_future(self.publish()))
                sent += 1
            await tally.reach(before + (arrived + 1) * self.copies, within_seconds=DEADLINE_SECONDS)
            for done in [each for each in under_way if each.done()]:
                under_way.discard(done)
                done.result()
        await asyncio.gather(*under_way)
        await tally.reach(before + sent * self.copies, within_seconds=DEADLINE_SECONDS)
        if tally.publications != before + sent * self.copies:
            raise LoadError(f"{tally.publications - before} came, expected {sent} times {self.copies}")
        return sent


def total(windows: Sequence[Window]) -> Window:
    """Return all windows as one."""
    return functools.reduce(operator.add, windows)


def _micros(cpu: Cpu, count: int) -> Cpu:
    return Cpu(cpu.user * 1e6 / max(count, 1), cpu.system * 1e6 / max(count, 1))


def _own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system
