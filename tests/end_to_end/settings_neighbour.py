"""The probe's server, with an ordinary Channels consumer beside the topics."""

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.
from tests.end_to_end.settings_probe import INSTALLED_APPS

INSTALLED_APPS += ["tests.end_to_end.neighbour.NeighbourConfig"]
