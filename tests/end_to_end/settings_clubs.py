"""The probe's server, with topics whose rules read rows."""

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.
from tests.end_to_end.settings_probe import INSTALLED_APPS

INSTALLED_APPS += ["tests.end_to_end.clubs.apps.ClubsConfig"]
ROOT_URLCONF = "tests.end_to_end.clubs.urls"
