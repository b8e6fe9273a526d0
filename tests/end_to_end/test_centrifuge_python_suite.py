"""The published Python SDK's own tests pass against this server as against the one they were written for."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end import centrifuge_python_suite
from tests.servers import Server, ServerKind

LIVE_TESTS = 62


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["serve", "daphne"])
def test_all_live_tests_of_the_python_sdk_pass(
    kind: ServerKind, start_server: Callable[..., Server], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache is not None
    archive = centrifuge_python_suite.fetch_sdist(pytestconfig.cache.mkdir("centrifuge-python"))
    server = start_server(kind, settings="tests.end_to_end.settings_sdk_suite")
    suite = centrifuge_python_suite.unpack(archive, tmp_path, port=server.port)

    done = centrifuge_python_suite.run(suite)

    # unittest's last words; "OK (skipped=1)" would not do.
    assert re.findall(r"^Ran (\d+) tests in .*\n\n(.*)$", done.stderr, re.MULTILINE) == [
        (str(LIVE_TESTS), "OK")
    ], done.stderr
    assert done.returncode == 0
