"""A publication that waits for the relay, as a row. It is written by publish_on_commit() alone."""

from django.db import models


class OutboxRow(models.Model):
    """Rows live for milliseconds, unless the topic layer is away, or nobody can publish them (`parked_at`).

    `id` orders the rows of a topic. `partition` is the topic's, see partition_of() in rows.py.
    """

    id = models.BigAutoField(primary_key=True)
    topic = models.TextField()
    partition = models.PositiveSmallIntegerField()
    data = models.BinaryField()
    tags = models.JSONField(null=True)
    # "": the row's own identity is the key.
    idempotency_key = models.TextField(default="")
    created_at = models.DateTimeField()
    # Those that failed for another reason than that the layer was away.
    attempts = models.PositiveSmallIntegerField(default=0)
    parked_at = models.DateTimeField(null=True)
    error = models.TextField(default="")

    class Meta:
        app_label = "realtime"
        verbose_name = "publication in the outbox"
        verbose_name_plural = "outbox"

    def __str__(self) -> str:
        return f"{self.topic} ({self.pk})"
