"""Tells Django about the API's own rows: the keys of servers."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"
    verbose_name = "Server API"

    def ready(self) -> None:
        from api.key_audit import audit_rows  # noqa: PLC0415  # They import the models, which exist only now.
        from api.key_rows import watch_rows  # noqa: PLC0415  # Likewise.

        audit_rows()
        watch_rows()
