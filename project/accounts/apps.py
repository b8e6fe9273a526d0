"""Accounts as a Django app."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save

from project.accounts import roles


def _on_saved(
    sender: type[Any], *, instance: Any, created: bool, raw: bool, **_: Any
) -> None:  # Django's signature.
    # Fixtures bring their own groups.
    if created and not raw:
        roles.welcome(instance)


class AccountsConfig(AppConfig):
    name = "project.accounts"

    def ready(self) -> None:
        post_save.connect(_on_saved, sender=get_user_model(), dispatch_uid="project.accounts.welcome")
