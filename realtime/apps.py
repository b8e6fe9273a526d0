"""Tells Django about the engine: its checks, and its commands."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Real time"

    def ready(self) -> None:
        from realtime import checks  # noqa: F401, PLC0415  # It registers the checks; Django wants that here and not earlier.
