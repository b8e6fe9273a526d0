"""The tests of what is stored pass on PostgreSQL as they do on SQLite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import running_postgres

ROOT = Path(__file__).resolve().parents[2]
STORING = ("tests/features", "tests/api", "tests/project/accounts")
# They store nothing of their own, and take half of the time: whole servers, and a provider.
NOT_STORING = "not test_cent and not test_commands and not test_oidc"
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", NOT_STORING)


@pytest.mark.timeout(300)
def test_what_is_stored_is_stored_the_same_in_postgresql() -> None:
    with running_postgres() as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *STORING],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
                "DATABASE_URL": url,
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
