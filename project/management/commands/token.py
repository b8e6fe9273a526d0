"""`manage.py token USERNAME`: a connection token for an account, to try an SDK with."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from realtime.errors import ConfigurationError
from realtime.features.people import display_name
from realtime.runtime import get_runtime


class Command(BaseCommand):
    """Prints the token alone, so that a shell can put it into a variable."""

    help = "Prints a connection token for an account: TOKEN=$(python manage.py token alice)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--ttl", type=int, default=3600, help="Seconds that it is valid; 3600.")

    def handle(self, *_args: Any, username: str, ttl: int, **_options: Any) -> None:
        try:
            user = User.objects.filter(username=username, is_active=True).first()
        except DatabaseError as error:
            raise CommandError(f"Accounts cannot be read ({error}). Has `manage.py migrate` run?") from None
        if user is None:
            raise CommandError(f"No active account {username!r}. `manage.py demo` makes some to try.")
        if ttl <= 0:
            raise CommandError(f"--ttl is {ttl}, expected a number of seconds, at least 1.")
        info = {"name": display_name(user)}
        try:
            token = get_runtime().token_signer.connection(user=str(user.pk), info=info, ttl_seconds=ttl)
        except ConfigurationError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(token)
