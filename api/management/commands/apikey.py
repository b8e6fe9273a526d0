"""`manage.py apikey create|list|rotate|revoke`: the keys with which other servers call the server API."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from api.key_rows import DEFAULT_GRACE_SECONDS, BadKey, create_key, revoke_key, rotate_key
from api.keys import DEFAULT_NAMESPACE, SCOPE_TEXTS, Scope
from api.models import ApiKey

# How the namespace of topics without a colon is written where an empty text would be overlooked.
DEFAULT_NAMESPACE_MARK = ":"


class Command(BaseCommand):
    """Prints a new secret alone, so that a shell can put it into a variable; the rest goes to stderr."""

    help = "Makes, lists, rotates and revokes API keys: KEY=$(manage.py apikey create shop --scope publish …)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="do", required=True, metavar="create|list|rotate|revoke")
        create = commands.add_parser("create", help="Makes a key and prints its secret, this once.")
        create.add_argument("name", help="Whose key it is: the service that uses it.")
        create.add_argument(
            "--scope",
            action="append",
            choices=[*Scope],
            required=True,
            help="; ".join(f"{scope}: {text}" for scope, text in SCOPE_TEXTS.items()),
        )
        create.add_argument(
            "--namespace",
            action="append",
            required=True,
            help=f'A namespace whose topics it may use; "*" for all, "{DEFAULT_NAMESPACE_MARK}" for '
            "topics without a colon.",
        )
        create.add_argument("--days", type=float, help="Days until it expires; without it, it does not.")
        commands.add_parser("list", help="Shows all keys, without their secrets.")
        rotate = commands.add_parser("rotate", help="Gives a key a new secret and prints it, this once.")
        rotate.add_argument("id")
        rotate.add_argument(
            "--grace",
            type=float,
            default=DEFAULT_GRACE_SECONDS,
            help="Seconds that the old secret stays valid; a day. 0 ends it now.",
        )
        revoke = commands.add_parser("revoke", help="Ends a key, with all its secrets.")
        revoke.add_argument("id")

    def handle(self, *_args: Any, do: str, **options: Any) -> None:
        try:
            match do:
                case "create":
                    self._create(**options)
                case "list":
                    self._list()
                case "rotate":
                    _, secret = rotate_key(options["id"], grace_seconds=options["grace"])
                    self.stderr.write(
                        f"The old secret is valid for {options['grace']:g} s more. The new one:"
                    )
                    self.stdout.write(secret.text)
                case "revoke":
                    row = revoke_key(options["id"])
                    self.stderr.write(f"{row} is revoked; every server process knows within 5 s.")
                case _:
                    raise CommandError(f"{do!r} is none of create, list, rotate, revoke.")
        except BadKey as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"Keys cannot be read ({error}). Has `manage.py migrate` run?") from None

    def _create(
        self, *, name: str, scope: list[str], namespace: list[str], days: float | None, **_options: Any
    ) -> None:
        try:
            expires_at = None if days is None else timezone.now() + timedelta(days=days)
        except (OverflowError, ValueError):
            raise CommandError(f"--days is {days}, expected a number of days, such as 90.") from None
        namespaces = [DEFAULT_NAMESPACE if each == DEFAULT_NAMESPACE_MARK else each for each in namespace]
        row, secret = create_key(name=name, scopes=scope, namespaces=namespaces, expires_at=expires_at)
        self.stderr.write(f"{row} is made. Its secret is shown this once:")
        self.stdout.write(secret.text)

    def _list(self) -> None:
        for row in ApiKey.objects.all():
            namespaces = ",".join(each or DEFAULT_NAMESPACE_MARK for each in row.namespaces)
            used = f"used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
            words = (
                row.prefix,
                row.name,
                row.state,
                ",".join(row.scopes),
                f"in {namespaces or 'none'}",
                used,
            )
            self.stdout.write("  ".join(words))
