"""The probe's server, with views that give orders and tell which processes there are."""

from tests.end_to_end.settings_probe import *  # noqa: F403  # Settings are built on settings.

ROOT_URLCONF = "tests.end_to_end.control_urls"
