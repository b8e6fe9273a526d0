"""`manage.py audit_prune`: removes old entries of the audit log, and writes down that it did."""

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from realtime.features.audit.log import Actor, Deed, record
from realtime.features.audit.models import Entry


class Command(BaseCommand):
    """Run it by a timer, with the days that your rules ask for."""

    help = "Removes entries of the audit log that are older than so many days."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--days", type=int, required=True, help="What is older goes; at least 1.")

    def handle(self, *_args: Any, days: int, **_options: Any) -> None:
        if days < 1:
            raise CommandError(f"--days is {days}, expected 1 or more.")
        before = timezone.now() - timedelta(days=days)
        with transaction.atomic():
            count = Entry.objects.prune(before=before)
            if count:
                details = {"entries": count, "before": before.isoformat()}
                record(Deed(action="audit.prune", actor=Actor.command("audit_prune"), details=details))
        self.stdout.write(f"{count} {'entry' if count == 1 else 'entries'} removed")
