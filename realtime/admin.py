"""The outbox in Django's admin: what waits, what could not be published and why."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from realtime.outbox.bell import bell
from realtime.outbox.models import OutboxRow


class IsParked(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("waiting", "waits"), ("parked", "parked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> QuerySet[OutboxRow]:
        match self.value():
            case "waiting":
                return queryset.filter(parked_at=None)
            case "parked":
                return queryset.exclude(parked_at=None)
            case _:
                return queryset


@admin.register(OutboxRow)
class OutboxRowAdmin(admin.ModelAdmin[OutboxRow]):
    """Rows are read here, tried again and removed; what they carry is not shown: it may be private."""

    list_display = ("id", "topic", "created_at", "size", "attempts", "parked_at", "error")
    list_filter = (IsParked,)
    search_fields = ("topic", "error")
    ordering = ("id",)
    actions = ("publish_again",)
    fields = ("topic", "created_at", "size", "attempts", "parked_at", "error")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxRow]:
        return super().get_queryset(request).defer("tags")

    @admin.display(description="bytes")
    def size(self, row: OutboxRow) -> int:
        return len(row.data)

    @admin.action(description="Try again to publish the selected rows", permissions=["delete"])
    def publish_again(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> None:
        count = queryset.exclude(parked_at=None).update(parked_at=None, attempts=0, error="")
        bell.ring()
        self.message_user(request, f"{count} parked rows wait for the relay again.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:
        return False
