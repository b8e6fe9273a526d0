"""Tells Django about the audit log, and the audit log about what happens."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "realtime.features.audit"
    label = "audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        from realtime.features.audit import signals  # noqa: PLC0415  # It imports models, which exist only now.

        signals.listen()
