"""Settings of the server that people sign in to: what a session cookie and the rules say, counts."""

from tests.benchmarks.settings import *  # noqa: F403  # Settings are built on settings.
from tests.benchmarks.settings import REALTIME

REALTIME = {**REALTIME, "INSECURE_CLIENT": False}
