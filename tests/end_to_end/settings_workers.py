"""The probe's server with a topic layer that only claims to be shared: for tests of the processes themselves.

A worker, and not its supervisor, fails while a file is where BROKEN_WHILE says.
"""

import os
import sys
from pathlib import Path

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.

CHANNEL_LAYERS = {"default": {"BACKEND": "tests.end_to_end.stand_in.StandInLayer"}}
ROOT_URLCONF = "tests.end_to_end.worker_urls"

_broken = os.environ.get("BROKEN_WHILE")
if _broken and "--as-worker" in sys.argv and Path(_broken).exists():
    print("this worker is broken", file=sys.stderr)  # noqa: T201  # What an operator is to see.
    sys.exit(7)
