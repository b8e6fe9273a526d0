"""Whatever breaks between 220 clients, two workers and Redis: nothing is lost, doubled or out of order.

Each run compares what every client received with what was published. Where the log itself was lost,
every client is told so. The long form: make soak.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.fault_run import FaultRun, Verdict, fault_run
from tests.end_to_end.faults import Faults

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the runs read /proc"),
    pytest.mark.timeout(120),
]

Record = Callable[[str, object], None]

# Publications that come between two faults: a second's worth.
MEANWHILE = 200


async def judge(run: FaultRun, record_property: Record) -> Verdict:
    verdict = await run.judge()
    record_property("verdict", str(verdict))
    sys.stdout.write(f"{verdict}\n")
    assert verdict.faults == Faults(lost=0, doubled=0, reordered=0), verdict
    _, _, crash = run.server.log.read_text().partition("Traceback")
    assert not crash, crash[:4000]
    return verdict


async def test_nothing_is_lost_when_redis_is_killed_and_comes_back_with_its_data(
    tmp_path: Path, record_property: Record
) -> None:
    async with fault_run(tmp_path, is_durable=True) as run:
        for _ in range(3):
            await run.flow.advance(MEANWHILE)
            await run.restart_redis(keep_data=True)
        await run.flow.advance(2 * MEANWHILE)

        verdict = await judge(run, record_property)

    assert verdict.told == 0
    assert verdict.retries > 0


async def test_everybody_is_told_when_redis_comes_back_empty(tmp_path: Path, record_property: Record) -> None:
    async with fault_run(tmp_path, is_durable=False) as run:
        await run.flow.advance(MEANWHILE)
        await run.restart_redis(keep_data=False)
        await run.flow.advance(2 * MEANWHILE)

        verdict = await judge(run, record_property)

        assert verdict.told == run.fleet.subscriptions


async def test_nothing_is_lost_when_redis_stands_still(tmp_path: Path, record_property: Record) -> None:
    async with fault_run(tmp_path, is_durable=False) as run:
        await run.flow.advance(MEANWHILE)
        await run.stop_redis_for(10)
        await run.flow.advance(2 * MEANWHILE)

        verdict = await judge(run, record_property)

    assert verdict.told == 0
    assert verdict.retries > 0


async def test_nothing_is_lost_when_workers_are_killed(tmp_path: Path, record_property: Record) -> None:
    async with fault_run(tmp_path, is_durable=False) as run:
        for _ in range(2):
            await run.flow.advance(MEANWHILE)
            await run.kill_worker()
        await run.flow.advance(MEANWHILE)

        verdict = await judge(run, record_property)

    assert verdict.told == 0
    assert verdict.recoveries > 0


async def test_nothing_is_lost_when_pubsub_is_cut_while_commands_go_on(
    tmp_path: Path, record_property: Record
) -> None:
    async with fault_run(tmp_path, is_durable=False) as run:
        for _ in range(20):
            await run.flow.advance(MEANWHILE // 4)
            await run.cut_pubsub()
        await run.flow.advance(MEANWHILE)

        verdict = await judge(run, record_property)

    assert verdict.told == 0
    assert verdict.cuts >= 40


async def test_nothing_is_lost_when_clients_lose_their_sockets(
    tmp_path: Path, record_property: Record
) -> None:
    async with fault_run(tmp_path, is_durable=False) as run:
        for _ in range(50):
            await run.flow.advance(MEANWHILE // 10)
            run.cut_clients(20)
        await run.flow.advance(MEANWHILE)

        verdict = await judge(run, record_property)

    assert verdict.told == 0
    assert verdict.cuts == 1000
    assert verdict.recoveries > 1000


async def test_nothing_is_lost_in_a_rolling_restart(tmp_path: Path, record_property: Record) -> None:
    # Time to close all in a spread, but not the test's time.
    env = {"REALTIME_SHUTDOWN_DELAY": "0.5", "REALTIME_SHUTDOWN_SPREAD": "2"}
    async with fault_run(tmp_path, is_durable=False, env=env) as run:
        await run.flow.advance(MEANWHILE)
        await run.roll()
        await run.flow.advance(MEANWHILE)

        verdict = await judge(run, record_property)

        assert verdict.told == 0
        assert verdict.recoveries >= run.fleet.subscriptions
