"""API keys in Django's admin: made there with a secret that is shown once, rotated and revoked."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from api.key_rows import BadKey, arm_key, revoke_key, rotate_key
from api.keys import DEFAULT_NAMESPACE, SCOPE_TEXTS, Secret, check_namespaces
from api.models import ApiKey

_DEFAULT_MARK = ":"


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope}: {text}") for scope, text in SCOPE_TEXTS.items()],
        widget=forms.CheckboxSelectMultiple,
    )
    namespaces = forms.CharField(
        required=False,
        help_text=f"Separated by spaces; * for all, {_DEFAULT_MARK} for topics without a colon. "
        "Without any, the key can only do what is about no topic.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "namespaces", "expires_at")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = self.instance.namespaces if self.instance.pk else []
        self.initial["namespaces"] = " ".join(name or _DEFAULT_MARK for name in names)

    def clean_namespaces(self) -> list[str]:
        words = self.cleaned_data["namespaces"].replace(",", " ").split()
        names = sorted({DEFAULT_NAMESPACE if word == _DEFAULT_MARK else word for word in words})
        try:
            check_namespaces(names)
        except ValueError as error:
            raise ValidationError(f"{error}.") from None
        return names

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if not self.instance.pk and expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("The key would have expired already. Give a later time, or none.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    form = ApiKeyForm
    list_display = (
        "name",
        "prefix",
        "state",
        "shown_scopes",
        "shown_namespaces",
        "last_used_at",
        "created_at",
    )
    search_fields = ("name", "prefix")
    list_filter = ("revoked_at", "created_at")
    readonly_fields = (
        "prefix", "state", "revoked_at", "previous_ends_at", "last_used_at", "created_at", "created_by",
    )  # fmt: skip
    actions = ("rotate", "revoke")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        fields = ("name", "scopes", "namespaces", "expires_at")
        return fields if obj is None else (*fields, *self.readonly_fields)

    @admin.display(description="scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="namespaces")
    def shown_namespaces(self, key: ApiKey) -> str:
        return " ".join(name or _DEFAULT_MARK for name in key.namespaces)

    # ── A new one ─────────────────────────────────────────────────────────────────────────────

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: forms.ModelForm[ApiKey],
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        if not change:
            obj.created_by = request.user if isinstance(request.user, User) else None
            # To response_add(), which is what the browser gets: neither cookie nor session has it.
            request.api_key_secret = arm_key(obj)  # type: ignore[attr-defined]  # It is ours.
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        secret: Secret = request.api_key_secret  # type: ignore[attr-defined]  # It is ours.
        return self._show(request, obj, secret, is_new=True)

    # ── Actions ───────────────────────────────────────────────────────────────────────────────

    @admin.action(
        description="Rotate: make a new secret; the old one stays valid for a day", permissions=["change"]
    )
    def rotate(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse | None:
        if keys.count() != 1:
            self.message_user(request, "Choose one key: its new secret is shown once.", messages.ERROR)
            return None
        try:
            key, secret = rotate_key(keys.get().prefix)
        except BadKey as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        self.log_change(request, key, "Rotated.")
        return self._show(request, key, secret, is_new=False)

    @admin.action(description="Revoke: end the keys, with all their secrets", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for key in keys:
            revoke_key(key.prefix)
            self.log_change(request, key, "Revoked.")
        self.message_user(request, "Revoked. Every server process knows within 5 seconds.", messages.SUCCESS)

    def _show(self, request: HttpRequest, key: ApiKey, secret: Secret, *, is_new: bool) -> HttpResponse:
        @never_cache
        def show(request: HttpRequest) -> HttpResponse:
            context = {
                **self.admin_site.each_context(request),
                "title": "The secret of an API key",
                "key": key,
                "secret": secret.text,
                "is_new": is_new,
                "opts": self.opts,
            }
            return TemplateResponse(request, "admin/api/apikey/secret.html", context)

        return show(request)
