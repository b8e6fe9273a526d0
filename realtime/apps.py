"""Tells Django about the engine: its checks, and its commands."""

from django.apps import AppConfig, apps


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Real time"

    def ready(self) -> None:
        # Importing registers the checks; Django wants that here and not earlier.
        from realtime import checks, login_ends  # noqa: F401, PLC0415

        login_ends.install()
        if apps.is_installed("django.contrib.auth"):
            # Its models exist only then.
            from realtime.revocation import accounts  # noqa: PLC0415

            accounts.install()
