"""`manage.py demo`: accounts, rooms and messages to try Switchboard with. Running it again adds nothing."""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.conf import settings  # noqa: TID251 -- asks for DEBUG, which is Django's and no tunable
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from realtime.features.chat import services
from realtime.features.chat.models import Room


@dataclass(frozen=True, slots=True)
class Account:
    username: str
    first_name: str
    last_name: str
    is_admin: bool = False

    @property
    def password(self) -> str:
        return f"{self.username}-demo"


@dataclass(frozen=True, slots=True)
class DemoRoom:
    name: str
    description: str
    # Who says what.
    messages: tuple[tuple[str, str], ...]


ACCOUNTS = (
    Account("alice", "Alice", "Moreau"),
    Account("bob", "Bob", "Lindqvist"),
    Account("carol", "Carol", "Okafor"),
    Account("admin", "Ada", "Admin", is_admin=True),
)

ROOMS = (
    DemoRoom(
        "Lobby",
        "Say hello",
        (
            ("alice", "Good morning! Is anybody here yet?"),
            ("bob", "Just arrived. I opened a second window to see both ends of this."),
            ("carol", "Hello you two 👋"),
            ("alice", "Try this: stop the server while you type, then start it again."),
            ("bob", "It came back by itself, and nothing is missing."),
        ),
    ),
    DemoRoom(
        "Random",
        "Anything that fits nowhere else",
        (
            ("carol", "What is everybody having for lunch?"),
            ("bob", "Soup. It is that kind of day."),
        ),
    ),
    DemoRoom(
        "Help",
        "Questions and answers",
        (
            ("bob", "How do I see the rooms and messages as rows?"),
            ("carol", "Sign in at /admin/ as admin."),
        ),
    ),
)


class Command(BaseCommand):
    help = "Adds accounts, rooms and messages to try Switchboard with, and prints the accounts' passwords."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="bring the database's tables up first")
        parser.add_argument("--force", action="store_true", help="even where DEBUG is off")

    def handle(self, *args: Any, migrate: bool, force: bool, **options: Any) -> None:
        if not settings.DEBUG and not force:
            raise CommandError(
                "These settings are not for development (DEBUG is off), and the demo's passwords are "
                "public. Use project.settings.dev, or add --force."
            )
        if migrate:
            call_command("migrate", interactive=False, verbosity=0)
        with transaction.atomic():
            users = {account.username: _add_account(account) for account in ACCOUNTS}
            for room in ROOMS:
                _add_room(room, users)
        self._print_accounts(users)

    def _print_accounts(self, users: dict[str, User]) -> None:
        self.stdout.write("\n  Demo accounts\n  user      password")
        for account in ACCOUNTS:
            is_unchanged = users[account.username].check_password(account.password)
            password = account.password if is_unchanged else "(changed since)"
            note = "  for /admin/" if account.is_admin else ""
            self.stdout.write(f"  {account.username:<8}  {password}{note}")
        self.stdout.write("")


def _add_account(account: Account) -> User:
    user = User.objects.filter(username=account.username).first()
    if user is None:
        user = User.objects.create_user(
            account.username,
            password=account.password,
            first_name=account.first_name,
            last_name=account.last_name,
            is_staff=account.is_admin,
            is_superuser=account.is_admin,
        )
    return user


def _add_room(demo: DemoRoom, users: dict[str, User]) -> None:
    if Room.objects.filter(name__iexact=demo.name).exists():
        return
    room = services.create_room(creator=users["admin"], name=demo.name, description=demo.description)
    for username, text in demo.messages:
        services.send_message(
            author=users[username],
            room_slug=room.slug,
            text=text,
            client_id=uuid4(),
        )
