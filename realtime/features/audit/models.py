"""The audit log, as rows that are added and, when they are old, pruned. What they say is for log.py."""

from datetime import datetime
from typing import Any, ClassVar, NoReturn

from django.db import models
from django.utils import timezone

# What is longer is cut: an entry that says most of it is better than none.
ACTOR_ID_LENGTH = 64
ACTOR_NAME_LENGTH = 150
ACTION_LENGTH = 60
TARGET_LENGTH = 255


class AppendOnly(Exception):
    """Somebody tried to change or remove an entry. The audit log only grows; `audit_prune` shortens it."""


class ActorKind(models.TextChoices):
    """What sort of actor it was."""

    USER = "user", "account"
    API_KEY = "api_key", "API key"
    COMMAND = "command", "command line"
    STRANGER = "stranger", "stranger"


class Outcome(models.TextChoices):
    DONE = "done", "done"
    DENIED = "denied", "denied"
    FAILED = "failed", "failed"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Reads and adds. Django's admin, a shell and a slip of ours are all refused the rest."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def prune(self, *, before: datetime) -> int:
        """Removes what happened before that, and says how many entries those were."""
        return self.filter(at__lt=before)._raw_delete(self.db)  # noqa: SLF001  # There are no signals and no related rows to collect.


class Entry(models.Model):
    """One thing that somebody did or tried. Names are kept as they were: accounts and keys may go."""

    at = models.DateTimeField("when", default=timezone.now, db_index=True, editable=False)
    actor_kind = models.CharField("kind of actor", max_length=10, choices=ActorKind, editable=False)
    actor_id = models.CharField(
        "actor's id", max_length=ACTOR_ID_LENGTH, blank=True, default="", editable=False
    )
    actor_name = models.CharField(
        "actor", max_length=ACTOR_NAME_LENGTH, blank=True, default="", editable=False
    )
    action = models.CharField(max_length=ACTION_LENGTH, db_index=True, editable=False)
    target = models.CharField(max_length=TARGET_LENGTH, blank=True, default="", editable=False)
    ip = models.GenericIPAddressField("address", null=True, blank=True, editable=False)
    outcome = models.CharField(max_length=6, choices=Outcome, default=Outcome.DONE, editable=False)
    details = models.JSONField(blank=True, default=dict, editable=False)

    objects: ClassVar[Any] = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        ordering = ("-id",)
        # Nobody gets the right to add, change or delete entries, since there is none to give.
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(fields=("actor_kind", "actor_id"), name="audit_entry_actor"),
            models.Index(fields=("target",), name="audit_entry_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly
