"""Tells Django about the API's own rows: the keys of servers."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"
    verbose_name = "Server API"

    def ready(self) -> None:
        # These import the models, which exist only now.
        from api.key_audit import audit_rows  # noqa: PLC0415
        from api.key_rows import watch_rows  # noqa: PLC0415

        audit_rows()
        watch_rows()
