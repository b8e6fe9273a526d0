"""Tells Django about the engine: its checks, and its commands."""

from django.apps import AppConfig, apps


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Real time"

    def ready(self) -> None:
        from realtime import checks, login_ends  # noqa: F401, PLC0415  # It registers the checks; Django wants that here.

        login_ends.install()
        if apps.is_installed("django.contrib.auth"):
            from realtime.revocation import accounts  # noqa: PLC0415  # Its models exist only then.

            accounts.install()
