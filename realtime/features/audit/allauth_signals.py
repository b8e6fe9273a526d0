"""What the audit log hears from django-allauth: passwords, addresses, second factors, other providers."""

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from django.contrib.auth.base_user import AbstractBaseUser

from realtime.features.audit.log import Actor, Deed, record
from realtime.features.audit.models import Outcome
from realtime.features.audit.signals import record_by_user


def listen() -> None:
    """Called once, by signals.py."""
    record_by_user(account.user_signed_up, "account.sign_up")
    record_by_user(account.password_set, "account.password_set")
    record_by_user(account.password_changed, "account.password_changed")
    record_by_user(account.password_reset, "account.password_reset")
    record_by_user(account.email_added, "account.email_added")
    record_by_user(account.email_removed, "account.email_removed")
    record_by_user(account.email_changed, "account.email_changed")
    account.email_confirmed.connect(_on_email_confirmed, dispatch_uid="audit")
    record_by_user(mfa.authenticator_added, "mfa.added")
    record_by_user(mfa.authenticator_removed, "mfa.removed")
    record_by_user(mfa.authenticator_reset, "mfa.reset")
    mfa.authentication_failed.connect(_on_second_factor_failed, dispatch_uid="audit")
    social.social_account_added.connect(_on_provider_added, dispatch_uid="audit")
    social.social_account_removed.connect(_on_provider_removed, dispatch_uid="audit")


def _on_email_confirmed(sender: Any, email_address: EmailAddress, **_: Any) -> None:
    user = email_address.user
    record(Deed(action="account.email_confirmed", actor=Actor.user(user), target=f"user:{user.pk}"))


def _on_second_factor_failed(sender: Any, user: AbstractBaseUser, **_: Any) -> None:
    # The password was right.
    record(
        Deed(action="mfa.failed", actor=Actor.user(user), target=f"user:{user.pk}", outcome=Outcome.DENIED)
    )


def _on_provider_added(sender: Any, sociallogin: Any, **_: Any) -> None:
    _record_provider("account.provider_added", sociallogin.account)


def _on_provider_removed(sender: Any, socialaccount: Any, **_: Any) -> None:
    _record_provider("account.provider_removed", socialaccount)


def _record_provider(action: str, account_there: Any) -> None:
    user = account_there.user
    record(
        Deed(
            action=action,
            actor=Actor.user(user),
            target=f"user:{user.pk}",
            details={"provider": account_there.provider},
        )
    )
