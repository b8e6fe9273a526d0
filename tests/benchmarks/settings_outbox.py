"""Settings of the process whose transactions publish: the measured server's, and a topic without a log."""

from tests.benchmarks import settings
from tests.benchmarks.settings import *  # noqa: F403  # Settings are built on settings.

REALTIME = {
    **settings.REALTIME,
    "NAMESPACES": {**settings.REALTIME["NAMESPACES"], "plain": {}},
}
