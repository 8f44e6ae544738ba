"""Expire invitations whose time ran out, and delete what ended unused; fit for cron."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from invitation import flows

#: The largest number and the longest time that a command takes.
NUMBER_MAX = 2**31 - 1
DAYS_MAX = 36500


def positive(text: str, most: int = NUMBER_MAX) -> int:
    """Return the text as a number of at least one."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"{text} is not at least 1")
    if number > most:
        raise ArgumentTypeError(f"{text} is more than {most}")
    return number


def days(text: str) -> int:
    """Return the text as a number of days."""
    return positive(text, DAYS_MAX)


class Command(BaseCommand):
    """Run the cleanup; safe beside registrations and beside itself."""

    help = "Mark invitations that ran out as expired, and delete those that ended unused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --dry-run and --batch-size."""
        parser.add_argument("--dry-run", action="store_true", help="Only count what would be done.")
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=flows.BATCH_SIZE,
            help="Rows that one transaction works on (default: %(default)s).",
        )

        parser.add_argument(
            "--forget-after",
            type=days,
            metavar="DAYS",
            help="Forget whom invitations were for that ended so long ago.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Clean up and print the counts, unless verbosity is 0."""
        size: int = options["batch_size"]
        if options["dry_run"]:
            expired, deleted = flows.count_cleanup()
            words = ("Would expire", "would delete")
        else:
            expired, deleted = flows.expire(size), flows.purge(size)
            flows.forget_attempts()
            flows.forget_mail_counts()
            words = ("Expired", "deleted")
        forgotten = self.forget(options)
        if options["verbosity"] > 0:
            self.stdout.write(f"{words[0]}: {expired}, {words[1]}: {deleted}{forgotten}.")

    def forget(self, options: dict[str, Any]) -> str:
        """Forget whom old invitations were for, and return what is said of it."""
        if options["forget_after"] is None:
            return ""
        after = timedelta(days=options["forget_after"])
        if options["dry_run"]:
            return f", would forget: {flows.count_forgettable(after)}"
        return f", forgotten: {flows.forget_ended(after, batch_size=options['batch_size'])}"
