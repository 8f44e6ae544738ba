"""Delete guests that have expired; for cron."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import QuerySet

from invitation.lazysignup.models import BATCH_SIZE, LazyUser


class Command(BaseCommand):
    help = "Delete guests that have not been active for LAZYSIGNUP_DAYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count them")
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="guests at a time")

    def to_delete(self) -> QuerySet[LazyUser]:
        """Return the guests to delete. A subclass may choose others."""
        return LazyUser.objects.expired()

    def handle(self, *args: Any, dry_run: bool, batch_size: int, **options: Any) -> None:
        rows, delete = self.to_delete(), LazyUser.objects.delete_expired
        number = rows.count() if dry_run else delete(batch_size=batch_size, rows=rows)
        if options["verbosity"]:
            self.stdout.write(f"Guests {'that would be ' if dry_run else ''}deleted: {number}")
