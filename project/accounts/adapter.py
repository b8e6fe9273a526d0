"""How this site differs from allauth's defaults where a setting does not say it."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from django.http import HttpRequest

from project.settings import environment


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types.
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return environment.SIGN_UP.read()

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # allauth's counts per host name, and a site may answer to any number of them.
        return f"{credentials.get('email', credentials.get('username', ''))}".lower()

    def get_login_stages(self) -> list[str]:
        own = f"{ConfirmEmailStage.__module__}.{ConfirmEmailStage.__qualname__}"
        return [
            own if stage.endswith(".EmailVerificationStage") else stage
            for stage in super().get_login_stages()
        ]


class ConfirmEmailStage(EmailVerificationStage):  # type: ignore[misc]  # allauth has no types.
    """Lets pass who has no address to confirm: accounts that a command or an administrator made.

    Who signs up has one. Otherwise `createsuperuser` would make an account that nobody can enter.
    """

    def handle(self) -> tuple[Any, bool]:
        user = self.login.user
        if user is not None and not user.email and not EmailAddress.objects.filter(user=user).exists():
            return None, True
        answer: tuple[Any, bool] = super().handle()
        return answer
