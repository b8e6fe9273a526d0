"""Rooms and messages in Django's admin: rooms to edit, messages to read, search and remove."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from realtime.features.chat import services
from realtime.features.chat.models import Message, Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin[Room]):
    list_display = ("name", "slug", "description", "message_count", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "slug", "description")
    fields = ("name", "slug", "description", "created_by", "created_at")
    readonly_fields = ("created_by", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Room]:
        return super().get_queryset(request).annotate(messages_stored=Count("messages"))

    @admin.display(description="messages", ordering="messages_stored")
    def message_count(self, room: Any) -> int:
        stored: int = room.messages_stored
        return stored

    def get_readonly_fields(self, request: HttpRequest, obj: Room | None = None) -> tuple[str, ...]:
        # The slug names the room's topics: a new one would leave everybody in the old ones.
        return self.readonly_fields if obj is None else (*self.readonly_fields, "slug")

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Room | None = None
    ) -> dict[str, Sequence[str]]:
        return {"slug": ["name"]} if obj is None else {}

    def save_model(self, request: HttpRequest, obj: Room, form: ModelForm[Room], change: bool) -> None:  # noqa: FBT001 -- Django's signature
        # The admin has opened a transaction around this.
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.created_by = request.user if isinstance(request.user, User) else None
        super().save_model(request, obj, form, change)
        services.announce_room(obj)


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin[Message]):
    list_display = ("id", "sent_at", "room", "author", "excerpt")
    list_display_links = ("id", "excerpt")
    list_filter = ("room", "sent_at")
    list_select_related = ("room", "author")
    search_fields = ("text", "author__username", "room__name")
    date_hierarchy = "sent_at"
    ordering = ("-id",)
    fields = ("room", "author", "sent_at", "text", "client_id")
    # Counting all rows for "12 of 3,456,789" is a scan per page.
    show_full_result_count = False

    @admin.display(description="text")
    def excerpt(self, message: Message) -> str:
        return str(message)

    # What people wrote is read here, and removed; nobody writes or rewrites in their name.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        return False
