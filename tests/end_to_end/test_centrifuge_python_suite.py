"""The published Python SDK's own tests pass against this server as against the one they were written for."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end import centrifuge_python_suite
from tests.servers import Server
from tests.waiting import wait_until

LIVE_TESTS = 62
TWO_WORKERS = "two workers"


@pytest.fixture
def start_suite_server(
    start_server: Callable[..., Server], request: pytest.FixtureRequest
) -> Callable[[str], Server]:
    """What the suite is run against: one process of either kind, or two workers over Redis."""

    def start(kind: str) -> Server:
        settings = "tests.end_to_end.settings_sdk_suite"
        if kind != TWO_WORKERS:
            return start_server(kind, settings=settings)
        env = {
            "WORKERS": "2",
            "REDIS_URL": request.getfixturevalue("redis_url"),
            "REDIS_PREFIX": request.getfixturevalue("redis_prefix"),
        }
        server = start_server(settings=settings, env=env)
        wait_until(lambda: "with 2 workers" in server.log.read_text())
        return server

    return start


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["serve", "daphne", TWO_WORKERS])
def test_all_live_tests_of_the_python_sdk_pass(
    kind: str, start_suite_server: Callable[[str], Server], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache is not None
    archive = centrifuge_python_suite.fetch_sdist(pytestconfig.cache.mkdir("centrifuge-python"))
    server = start_suite_server(kind)
    suite = centrifuge_python_suite.unpack(archive, tmp_path, port=server.port)
    if kind == TWO_WORKERS:
        centrifuge_python_suite.add_missing_waits(suite)

    done = centrifuge_python_suite.run(suite)

    # unittest's last words; "OK (skipped=1)" would not do.
    assert re.findall(r"^Ran (\d+) tests in .*\n\n(.*)$", done.stderr, re.MULTILINE) == [
        (str(LIVE_TESTS), "OK")
    ], done.stderr
    assert done.returncode == 0
