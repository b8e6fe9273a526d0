"""What a row is to a relay; and that writing one needs no models until then."""

import subprocess
import sys

from realtime.outbox.rows import PARTITIONS, Row, partition_of
from tests.servers import ROOT


def make_row(*, id_: int = 7, created_at: float = 1_700_000_000.25, idempotency_key: str = "") -> Row:
    return Row(
        id=id_, topic="news:a", partition=0, data=b"1", tags=None, idempotency_key=idempotency_key,
        created_at=created_at, attempts=0,
    )  # fmt: skip


def test_partitions_are_the_same_in_every_process() -> None:
    assert partition_of("chat:lobby") == 5
    assert {partition_of(f"chat:{number}") for number in range(2_000)} == set(range(PARTITIONS))


def test_a_row_has_a_key_of_its_own_even_where_a_new_database_counts_anew() -> None:
    keys = {make_row().key, make_row(id_=8).key, make_row(created_at=1_700_000_000.250_001).key}

    assert len(keys) == 3
    assert make_row().key == make_row().key
    assert make_row(idempotency_key="mine").key == "mine"


def test_publish_on_commit_can_be_imported_before_there_are_models() -> None:
    """As an AppConfig of a feature may do, directly or not."""
    done = subprocess.run(
        [sys.executable, "-c", "import realtime.outbox"],
        cwd=ROOT, env={"DJANGO_SETTINGS_MODULE": "project.settings.test"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
