"""The rows of API keys. What a key may do is decided in api/keys.py; rows change by api/key_rows.py."""

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone


class ApiKey(models.Model):
    """A key of another server. Its secret is not here, only the SHA-256 of it.

    After a rotation the previous secret stays valid until `previous_ends_at`, so that whoever uses it
    has time to take the new one.
    """

    prefix = models.CharField("id", max_length=24, unique=True, editable=False)
    name = models.CharField(max_length=100, help_text="Whose key it is: the service that uses it.")
    digest = models.CharField(max_length=64, editable=False)
    previous_digest = models.CharField(max_length=64, blank=True, editable=False)
    previous_ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    scopes = models.JSONField(default=list)
    namespaces = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        verbose_name = "API key"
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def state(self) -> str:
        """In a word or two, for people."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is None:
            return "valid"
        return "expired" if self.expires_at <= timezone.now() else f"valid until {self.expires_at:%Y-%m-%d}"
