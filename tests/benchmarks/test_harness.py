"""The harness itself: it counts right, sees failures, and judges by the bars. No times are measured here."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import get_args

import pytest

from tests.benchmarks import frames, load, stages
from tests.benchmarks.__main__ import REDIS_MEASURES, _chosen, _parse, main
from tests.benchmarks.commands import endpoint_of
from tests.benchmarks.floor import publication_frame
from tests.benchmarks.frames import Endpoint
from tests.benchmarks.load import LoadError, Request, Tally, crowd
from tests.benchmarks.machine import Origin
from tests.benchmarks.plan import Plan, Sizes
from tests.benchmarks.processes import WEBSOCKET_PATH, Server, ServerName, running, running_redis
from tests.benchmarks.report import Bar, Figure, Report
from tests.benchmarks.side_by_side import CONTESTANTS, Contestant
from tests.benchmarks.source_process import Job, SourceName, source_process
from tests.benchmarks.windows import Flow

SUBSCRIBERS = 20
PUBLICATIONS = 30


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535])
def test_a_masked_frame_holds_its_payload(size: int) -> None:
    payload = bytes(number % 251 for number in range(size))

    frame = frames.masked_frame(payload)

    head = 2 if size < 126 else 4
    assert frame[head : head + 4] == frames.MASK
    assert frames.masked(frame[head + 4 :]) == payload


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
def test_a_frame_is_found_only_once_it_is_whole(size: int) -> None:
    frame = frames.ready_frame(b"x" * size)

    assert frames.frame_span(frame, 0, len(frame)) == (len(frame) - size, len(frame))
    assert frames.frame_span(frame, 0, len(frame) - 1) is None


@pytest.mark.parametrize("size", [80, 125, 127, 130, 500])
def test_the_floor_writes_frames_of_the_asked_size(size: int) -> None:
    frame = publication_frame(size)

    assert len(frame) == size
    assert frames.frame_span(frame, 0, size) is not None
    assert frame.count(load.PUBLICATION_MARK) == 1


@pytest.mark.parametrize("read_bytes", [1, 7, 64, 1_000_000])
async def test_publications_are_counted_however_the_bytes_are_cut(read_bytes: int) -> None:
    tally = Tally()
    subscriber = load.Subscriber(Endpoint(port=1, path="/"), [], tally)
    push = b'{"push":{"channel":"a","pub":{"data":{}}}}'
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frames.ready_frame(push) * 3
    stream += (
        frames.ready_frame(b"{}") + frames.ready_frame(push + b"\n{}\n" + push) + frames.ready_frame(push)
    )

    for start in range(0, len(stream), read_bytes):
        part = stream[start : start + read_bytes]
        memoryview(subscriber.get_buffer(-1))[: len(part)] = part
        subscriber.buffer_updated(len(part))

    assert tally.publications == 6
    assert subscriber.opened.done()


async def test_each_publication_reaches_each_subscriber_of_the_floor() -> None:
    async with running("floor") as floor:
        endpoint = Endpoint(port=floor.port, path="/")
        await publish_and_count(floor, endpoint, [], Request(payload=b"%d"))


@pytest.mark.parametrize("name", ["serve", "daphne"])
async def test_each_publication_reaches_each_subscriber_of_a_server(name: ServerName) -> None:
    async with running(name) as server:
        endpoint = Endpoint(port=server.port, path=WEBSOCKET_PATH)
        opening = [b'{"id":1,"connect":{}}', b'{"id":2,"subscribe":{"channel":"log:bench"}}']
        publish = Request(payload=b'{"id":%d,"publish":{"channel":"log:bench","data":{}}}')
        await publish_and_count(server, endpoint, opening, publish)


async def publish_and_count(
    server: Server, endpoint: Endpoint, opening: list[bytes], request: Request
) -> None:
    async with crowd(endpoint) as clients, crowd(endpoint) as publishers:
        await clients.add_subscribers([opening] * SUBSCRIBERS, within_seconds=10)
        if server.name == "floor":
            endpoint = Endpoint(port=server.port, path="/publish")
        publisher = await publishers.add_commander(opening[:1], endpoint=endpoint)

        for _ in range(PUBLICATIONS):
            await publisher.ask(request, within_seconds=10)
        await clients.tally.reach(PUBLICATIONS * SUBSCRIBERS, within_seconds=10)
        publisher.start(request, window=8)
        await clients.tally.reach(PUBLICATIONS * SUBSCRIBERS * 2, within_seconds=10)
        await publisher.stop(within_seconds=10)
        await clients.tally.reach(publisher.answered * SUBSCRIBERS, within_seconds=10)

        assert clients.tally.publications == publisher.answered * SUBSCRIBERS
        clients.check_alive()


async def test_a_flow_counts_what_has_reached_all() -> None:
    async with running("floor") as floor, crowd(Endpoint(port=floor.port, path="/")) as clients:
        await clients.add_subscribers([[]] * SUBSCRIBERS, within_seconds=10)
        publisher = await clients.add_commander([], endpoint=Endpoint(port=floor.port, path="/publish"))

        async def publish() -> None:
            publisher.post(Request(payload=b"%d"))

        flow = Flow(servers=[floor], clients=clients, publish=publish, outstanding=8, copies=SUBSCRIBERS)
        window = await flow.run(0.1)

    assert window.answers > 0
    assert window.deliveries == window.answers * SUBSCRIBERS
    assert clients.tally.publications == publisher.answered * SUBSCRIBERS


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
async def test_each_publication_through_redis_reaches_each_client(contestant: Contestant) -> None:
    sizes = Sizes(subscribers=1, window_seconds=0, rounds=0, idle_connections=0, connects=0)
    plan = Plan(server="serve", sizes=sizes, cores=None, has_bars=False, progress=print)
    with running_redis() as redis:
        async with (
            contestant.serve(plan, redis.url) as server,
            aclosing(contestant.source(redis.url)) as source,
            crowd(endpoint_of(server)) as clients,
        ):
            await clients.add_subscribers([contestant.opening] * SUBSCRIBERS, within_seconds=10)
            listener = await clients.add_listener(contestant.opening)
            flow = Flow(
                servers=[server],
                clients=clients,
                publish=source.publish,
                outstanding=4,
                copies=SUBSCRIBERS + 1,
            )

            window = await flow.run(0.1)

    assert window.answers > 0
    assert clients.tally.publications == len(listener.arrivals) * (SUBSCRIBERS + 1)


async def test_a_source_process_says_what_it_did() -> None:
    with running_redis() as redis:
        async with source_process(redis.url, cores=None) as source:
            for name in get_args(SourceName):
                done = await source.run(Job(source=name, outstanding=2, seconds=0.05))

                assert done.count > 0, name
                assert done.user_seconds + done.system_seconds > 0, name
        keys = redis.keys("benchmark:*")
    # What had history kept it; the rest kept nothing.
    assert keys == {"benchmark:{t:log:bench}:meta", "benchmark:{t:log:bench}:log"}


async def test_a_server_that_goes_away_is_no_figure() -> None:
    async with running("floor") as floor:
        endpoint = Endpoint(port=floor.port, path="/")
        async with crowd(endpoint) as clients:
            await clients.add_subscribers([[]], within_seconds=10)

            floor.end()

            with pytest.raises(LoadError, match="came in"):
                await clients.tally.reach(1, within_seconds=0.2)
            with pytest.raises(LoadError, match="1 of 1 connections were lost"):
                clients.check_alive()


async def test_an_unexpected_error_reply_stops_the_run() -> None:
    async with running("serve") as server:
        endpoint = Endpoint(port=server.port, path=WEBSOCKET_PATH)
        opening = [b'{"id":1,"connect":{}}', b'{"id":2,"subscribe":{"channel":"nowhere:x"}}']
        async with crowd(endpoint) as clients:
            with pytest.raises(LoadError, match="102"):
                await clients.add_subscribers([opening], within_seconds=10)


async def test_each_stage_of_a_publication_can_still_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_CALLS", 2)

    found = await stages.measure(
        b'{"id":1,"publish":{"channel":"log:bench","data":{}}}', b"{}", subscribers=3
    )

    assert found.parse_frame > 0
    assert found.session_and_publisher > 0


def test_a_report_judges_its_figures_and_is_stored(tmp_path: Path) -> None:
    figures = [
        Figure(server="serve", measure="m", name="fast", value=2.0, unit="µs", bar=Bar(3.0)),
        Figure(server="serve", measure="m", name="slow", value=3.5, unit="µs", bar=Bar(3.0)),
        Figure(server="serve", measure="m", name="rate", value=700, unit="/s", bar=Bar(700, "at least")),
        Figure(server="daphne", measure="m", name="for the record", value=1_234.5, unit="µs"),
    ]
    report = Report(origin=Origin.here_and_now(tmp_path), command="test", seconds=1, figures=figures)

    report.store(tmp_path)

    assert report.as_text().endswith("2 of 3 bars are met.\nMissed: serve m: slow.")
    assert "| m | for the record | 1,234 | µs |  |  |  |" in (tmp_path / "latest.md").read_text()
    stored = json.loads((tmp_path / "latest.json").read_text())
    assert [figure["verdict"] for figure in stored["figures"]] == ["pass", "miss", "pass", None]


def test_what_is_compared_stands_in_one_table_with_a_column_each(tmp_path: Path) -> None:
    figures = [
        Figure(server="layers", measure="m", name="each", value=2, unit="µs", column="ours", note="how"),
        Figure(server="layers", measure="m", name="kept", value=5, unit="/s", column="ours"),
        Figure(server="layers", measure="m", name="each", value=300, unit="µs", column="theirs"),
    ]
    report = Report(origin=Origin.here_and_now(tmp_path), command="test", seconds=1, figures=figures)

    lines = report.as_markdown().splitlines()

    assert "| measure | figure | ours | theirs | unit | how |" in lines
    assert "| m | each | 2 | 300 | µs | how |" in lines
    assert "| m | kept | 5 | – | /s |  |" in lines


def test_redis_stands_for_all_measures_over_redis() -> None:
    chosen = list(_chosen(_parse(["--only", "redis,idle"])))

    assert [name for _, _, name, _ in chosen] == ["idle", *REDIS_MEASURES, "idle"]
    assert [section for section, *_ in chosen][-2:] == ["layers side by side, over Redis", "daphne"]


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "fanout,nothing"])

    assert "unknown measure nothing; there are fanout, path" in capsys.readouterr().err
