"""Rooms and their messages, as rows. What may be stored is for services.py to decide."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

ROOM_NAME_LENGTH = 60
ROOM_DESCRIPTION_LENGTH = 200
MESSAGE_TEXT_LENGTH = 4000


class Room(models.Model):
    """A place to write in. Its slug stands in URLs and topic names, and never changes."""

    slug = models.SlugField(max_length=ROOM_NAME_LENGTH, unique=True)
    name = models.CharField(max_length=ROOM_NAME_LENGTH)
    description = models.CharField(max_length=ROOM_DESCRIPTION_LENGTH, blank=True, default="")
    created_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="rooms_created",
        editable=False,
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="chat_room_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="chat_room_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def topic(self) -> str:
        return f"chat:{self.slug}"

    @property
    def typing_topic(self) -> str:
        return f"typing:{self.slug}"


class Message(models.Model):
    """What one person wrote in one room. The order of ids is the order of the room."""

    # No index of its own: the one below begins with the room.
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages", db_index=False)
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="messages", db_index=False)
    text = models.TextField(max_length=MESSAGE_TEXT_LENGTH)
    client_id = models.UUIDField(
        help_text="Chosen by the author's client: sending the same one again stores nothing."
    )
    sent_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        indexes: ClassVar = [models.Index(fields=["room", "id"], name="chat_message_by_room")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["author", "client_id"], name="chat_message_once"),
            models.CheckConstraint(condition=~models.Q(text=""), name="chat_message_has_text"),
        ]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
