"""The audit log in Django's admin: to read and to search. And what is done there at many rows at a time."""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import actions
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from realtime.features.audit.log import Actor, Deed, record
from realtime.features.audit.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin[Entry]):
    list_display = ("at", "actor_kind", "actor_name", "action", "target", "ip", "outcome")
    list_display_links = ("at", "action")
    list_filter = ("outcome", "actor_kind", "action", "at")
    search_fields = ("=actor_id", "actor_name", "action", "target", "=ip")
    date_hierarchy = "at"
    fields = (
        "at", "actor_kind", "actor_id", "actor_name", "action", "target", "ip", "outcome", "details",
    )  # fmt: skip
    readonly_fields = fields
    # Counting all rows for "12 of 3,456,789" is a scan per page.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False


# Django's own writes its log of several deletions in one statement, without a signal.
@wraps(actions.delete_selected)
def delete_selected(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Model]
) -> TemplateResponse | None:
    chosen = [(row.pk, f"{row}") for row in rows] if request.POST.get("post") else []
    with transaction.atomic():
        response = actions.delete_selected(model_admin, request, rows)
        # None: they are gone. One alone has sent its signal.
        if response is None and len(chosen) > 1:
            for key, shown in chosen:
                record(
                    Deed(
                        action="admin.delete",
                        actor=Actor.user(request.user),  # type: ignore[arg-type]  # The admin lets nobody else in.
                        target=f"{model_admin.model._meta.label_lower}:{key}",  # As Django documents.
                        details={"object": shown[:200]},
                    )
                )
    return response


admin.site.disable_action("delete_selected")
admin.site.add_action(delete_selected, "delete_selected")
