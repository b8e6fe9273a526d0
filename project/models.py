"""What belongs to the site as a whole. No table stands behind it."""

from django.db import models


class Site(models.Model):
    """Carries the permissions that belong to no row; rules ask for them by name."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("moderate", "Can moderate conversations"),
            ("broadcast", "Can broadcast to everybody"),
            ("operate_devices", "Can operate devices"),
        )

    def __str__(self) -> str:
        return "the site"
