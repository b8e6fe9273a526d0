"""The supervisor's decisions, with workers that are no processes."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from project.supervisor import Backoff, Supervisor, describe, to_exit_status
from tests.waiting import until


class FakeWorker:
    """Implements Worker. It listens, ends and obeys when the test says so; `told` is what it was told."""

    def __init__(self, place: int, pid: int) -> None:
        self.place = place
        self.pid = pid
        self.told: list[str] = []
        self.listening = asyncio.Event()
        self.ended = asyncio.Event()
        self.return_code = 0

    def end(self, return_code: int) -> None:
        self.return_code = return_code
        self.ended.set()
        self.listening.set()

    async def listen(self) -> bool:
        await self.listening.wait()
        return not self.ended.is_set()

    async def wait(self) -> int:
        await self.ended.wait()
        return self.return_code

    def leave(self) -> None:
        self.told.append("leave")

    def stop(self) -> None:
        self.told.append("stop")

    def hurry(self) -> None:
        self.told.append("hurry")

    def kill(self) -> None:
        self.told.append("kill")
        self.end(-9)


class FakeTime:
    """Stands still until the test advances it; who sleeps wakes then."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def __call__(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        wakened = asyncio.Event()
        self._sleepers.append((self._now + seconds, wakened))
        await wakened.wait()

    async def advance(self, seconds: float) -> None:
        """Returns when whatever can happen then has happened."""
        await _quiet()
        self._now += seconds
        for at, wakened in self._sleepers:
            # Sums of fractions are not exact.
            if at <= self._now + 1e-6:
                wakened.set()
        await _quiet()


async def _quiet() -> None:
    """Long enough for every task to come to its next wait for the test."""
    for _ in range(20):
        await asyncio.sleep(0)


class Scene:
    """A supervisor that runs, the workers that it has launched so far, and a clock that the test turns."""

    def __init__(self, count: int, *, stop_seconds: float = 60) -> None:
        self.clock = FakeTime()
        self.workers: list[FakeWorker] = []
        self.refuses = False
        self.vacant: list[int] = []
        self.has_listened = False
        self.supervisor = Supervisor(
            count,
            launch=self._launch,
            stop_seconds=stop_seconds,
            on_listening=self._on_listening,
            on_vacant=self.vacant.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.running = asyncio.create_task(self.supervisor.run())

    def _launch(self, place: int) -> FakeWorker:
        if self.refuses:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self.workers.append(FakeWorker(place, pid=1000 + len(self.workers)))
        return self.workers[-1]

    def _on_listening(self) -> None:
        self.has_listened = True

    async def launched(self, count: int) -> FakeWorker:
        """The latest worker, once there have been `count`."""
        await until(lambda: len(self.workers) >= count)
        assert len(self.workers) == count
        return self.workers[-1]

    async def listen(self, count: int) -> None:
        """The first start."""
        (await self.launched(1)).listening.set()
        await self.launched(count)
        for worker in self.workers:
            worker.listening.set()
        await until(lambda: self.has_listened)

    async def told(self, worker: FakeWorker, *what: str) -> None:
        await until(lambda: worker.told == list(what))


@asynccontextmanager
async def scene(count: int, *, stop_seconds: float = 60) -> AsyncIterator[Scene]:
    """Whatever the test left alive is ended with it."""
    it = Scene(count, stop_seconds=stop_seconds)
    try:
        yield it
    finally:
        it.supervisor.stop()
        while not it.running.done():
            for worker in it.workers:
                worker.end(0)
            await asyncio.sleep(0)


# ── Backoff ───────────────────────────────────────────────────────────────────────────────────────


def test_each_early_death_doubles_the_wait_up_to_a_bound() -> None:
    backoff = Backoff()

    assert [backoff.delay_after(0.5) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_long_life_forgets_the_deaths_before() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.delay_after(59)

    assert [backoff.delay_after(60), backoff.delay_after(59)] == [1, 2]


def test_ends_are_told_in_words_and_as_shells_count_them() -> None:
    assert (describe(3), to_exit_status(3)) == ("exit status 3", 3)
    assert (describe(-9), to_exit_status(-9)) == ("signal SIGKILL", 137)
    # A real-time signal has no name.
    assert describe(-40) == "signal 40"


# ── Starting ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_worker_goes_ahead_and_all_must_listen() -> None:
    async with scene(3) as it:
        first = await it.launched(1)
        await _quiet()
        assert len(it.workers) == 1

        first.listening.set()
        await it.launched(3)
        it.workers[1].listening.set()
        await _quiet()
        assert not it.has_listened

        it.workers[2].listening.set()
        await until(lambda: it.has_listened)
        assert sorted(worker.place for worker in it.workers) == [0, 1, 2]


@pytest.mark.parametrize(("return_code", "status"), [(7, 7), (-9, 137), (0, 1)])
async def test_a_first_start_that_fails_is_the_end(return_code: int, status: int) -> None:
    async with scene(2) as it:
        (await it.launched(1)).end(return_code)

        assert await it.running == status
        assert len(it.workers) == 1


async def test_a_later_first_start_that_fails_ends_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(2) as it:
        first = await it.launched(1)
        first.listening.set()
        second = await it.launched(2)

        second.end(3)
        await it.told(first, "stop")
        first.end(0)

        assert await it.running == 3
    assert "a worker did not start (exit status 3), so the server ends" in caplog.text


async def test_a_stop_while_starting_ends_those_that_start() -> None:
    async with scene(2) as it:
        first = await it.launched(1)

        it.supervisor.stop()
        await it.told(first, "stop")
        first.end(-15)

        assert await it.running == 0


async def test_a_worker_that_never_listens_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.supervisor.START_SECONDS", 0.01)
    async with scene(2) as it:
        first = await it.launched(1)

        assert await it.running == 1
        assert first.told == ["kill"]


# ── Deaths ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_dead_worker_is_followed_by_another_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(2) as it:
        await it.listen(2)
        it.workers[1].end(-11)
        await until(lambda: it.vacant == [it.workers[1].place])
        assert len(it.workers) == 2

        await it.clock.advance(1)

        third = await it.launched(3)
        assert third.place == it.workers[1].place
    assert "died (pid 1001, signal SIGSEGV); another starts in 1 s" in caplog.text


async def test_a_worker_that_dies_of_its_start_is_tried_again_and_again_with_longer_waits() -> None:
    async with scene(1) as it:
        await it.listen(1)
        it.workers[0].end(1)
        for count, delay in enumerate([1, 2, 4, 8, 16, 30, 30], start=2):
            await it.clock.advance(delay - 0.1)
            assert len(it.workers) == count - 1
            await it.clock.advance(0.1)
            (await it.launched(count)).end(1)
        assert not it.running.done()


async def test_a_system_without_a_process_to_give_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(1) as it:
        await it.listen(1)
        it.refuses = True
        it.workers[0].end(1)
        await until(lambda: it.vacant == [0])
        await it.clock.advance(1)
        await until(lambda: "no process for it: Cannot allocate memory" in caplog.text)

        it.refuses = False
        await it.clock.advance(2)

        await it.launched(2)


async def test_a_stop_while_waiting_to_start_again_starts_nobody() -> None:
    async with scene(2) as it:
        await it.listen(2)
        it.workers[0].end(1)
        await until(lambda: it.vacant != [])

        it.supervisor.stop()
        await it.told(it.workers[1], "stop")
        it.workers[1].end(0)

        assert await it.running == 0
        assert len(it.workers) == 2


# ── The rolling restart ───────────────────────────────────────────────────────────────────────────


async def test_each_successor_listens_before_its_predecessor_leaves() -> None:
    async with scene(2) as it:
        await it.listen(2)
        old = list(it.workers)

        it.supervisor.roll()
        for replaced in (0, 1):
            successor = await it.launched(3 + replaced)
            assert successor.place == replaced
            assert all(worker.told == [] for worker in old[replaced:])
            successor.listening.set()
            await it.told(old[replaced], "leave")
            # The next one's turn comes when this one is gone.
            assert len(it.workers) == 3 + replaced
            old[replaced].end(-15)
        await _quiet()
        assert it.vacant == []


async def test_a_successor_that_fails_stops_the_roll(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(2) as it:
        await it.listen(2)

        it.supervisor.roll()
        (await it.launched(3)).end(5)
        await until(lambda: "rolling restart stopped" in caplog.text)

        assert [worker.told for worker in it.workers[:2]] == [[], []]
        assert "(exit status 5). 0 of 2 are replaced" in caplog.text
        # The next wish is heard.
        it.supervisor.roll()
        await it.launched(4)


async def test_rolls_that_are_wanted_while_one_goes_on_are_one_more() -> None:
    async with scene(1) as it:
        await it.listen(1)
        it.supervisor.roll()
        second = await it.launched(2)
        for _ in range(3):
            it.supervisor.roll()

        second.listening.set()
        await it.told(it.workers[0], "leave")
        it.workers[0].end(0)
        third = await it.launched(3)
        third.listening.set()
        await it.told(second, "leave")
        second.end(0)
        await _quiet()

        assert len(it.workers) == 3


async def test_a_predecessor_that_dies_while_its_successor_starts_is_not_followed_twice() -> None:
    async with scene(1) as it:
        await it.listen(1)
        it.supervisor.roll()
        successor = await it.launched(2)

        it.workers[0].end(-9)
        await until(lambda: it.vacant == [0])
        await it.clock.advance(1)
        successor.listening.set()
        await it.clock.advance(60)

        assert len(it.workers) == 2
        # And who came is watched.
        successor.end(-9)
        await until(lambda: it.vacant == [0, 0])
        await it.clock.advance(2)
        await it.launched(3)


async def test_a_successor_that_dies_while_its_predecessor_leaves_is_followed() -> None:
    async with scene(1) as it:
        await it.listen(1)
        it.supervisor.roll()
        successor = await it.launched(2)
        successor.listening.set()
        await it.told(it.workers[0], "leave")

        successor.end(-9)
        await until(lambda: it.vacant == [0])
        await it.clock.advance(1)

        await it.launched(3)


# ── Stopping ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_while_rolling_ends_all_three() -> None:
    async with scene(2) as it:
        await it.listen(2)
        it.supervisor.roll()
        await it.launched(3)

        it.supervisor.stop()

        for worker in it.workers:
            await it.told(worker, "stop")
            worker.end(0)
        assert await it.running == 0


async def test_who_does_not_stop_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(2, stop_seconds=0.01) as it:
        await it.listen(2)
        it.supervisor.stop()
        it.workers[0].end(0)

        assert await it.running == 0
        assert it.workers[1].told == ["stop", "kill"]
    assert "did not stop within 0.01 s (pid 1001): killed" in caplog.text


async def test_a_second_interrupt_is_impatient(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("project.supervisor.HURRY_SECONDS", 0.01)
    async with scene(2) as it:
        await it.listen(2)
        it.supervisor.interrupt()
        await it.told(it.workers[0], "stop")

        it.supervisor.interrupt()
        await until(lambda: "hurry" in it.workers[0].told)
        it.workers[0].end(0)

        assert await it.running == 0
        assert it.workers[1].told == ["stop", "hurry", "kill"]
    assert "did not end at once (pid 1001): killed" in caplog.text


async def test_a_fault_of_the_supervisor_itself_ends_all() -> None:
    async with scene(2) as it:
        await it.listen(2)
        it.supervisor._launch = _fail
        it.supervisor.roll()

        for worker in it.workers:
            await it.told(worker, "stop")
            worker.end(0)
        with pytest.raises(ExceptionGroup):
            await it.running


def _fail(place: int) -> FakeWorker:
    raise RuntimeError("as the test wants it")
