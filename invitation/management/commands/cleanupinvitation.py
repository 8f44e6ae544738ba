"""The command that expires overdue invitations and deletes unused ended ones; fit for cron."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from invitation.flows import after_commit, privacy, upkeep

#: Largest number and largest number of days that a command accepts.
NUMBER_MAX = 2**31 - 1
DAYS_MAX = 36500


def positive(text: str, most: int = NUMBER_MAX) -> int:
    """Return the text as a number from 1 to ``most``.

    Raises ``ArgumentTypeError`` for a number outside this range, and ``ValueError`` for other text.
    """
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
    """Cleanup command. It may run at the same time as registrations and as other runs."""

    help = "Mark overdue invitations as expired, and delete old ones that were never used."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --dry-run, --batch-size, --forget-after and --trust-clock."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Count what would be done, and change nothing."
        )
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=after_commit.BATCH_SIZE,
            help="Rows that one transaction works on (default: %(default)s).",
        )

        parser.add_argument(
            "--forget-after",
            type=days,
            metavar="DAYS",
            help="Forget the people whose invitations ended this many days ago.",
        )
        parser.add_argument(
            "--trust-clock", action="store_true", help="Trust the clock of this machine."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Clean up and print the counts, unless verbosity is 0."""
        size: int = options["batch_size"]
        if options["dry_run"]:
            expired, deleted = upkeep.count_cleanup()
            words = ("Would expire", "would delete")
        else:
            self.check_clock(options)
            expired, deleted = upkeep.clean_up(size)
            upkeep.forget_attempts()
            upkeep.forget_mail_counts()
            words = ("Expired", "deleted")
        forgotten = self.forget(options)
        if options["verbosity"] > 0:
            self.stdout.write(f"{words[0]}: {expired}, {words[1]}: {deleted}{forgotten}.")

    def check_clock(self, options: dict[str, Any]) -> None:
        """Raise ``CommandError`` if there is work to do and the clock cannot be trusted."""
        doubt = "" if options["trust_clock"] else upkeep.doubt_about_clock()
        if not doubt:
            return
        after = options["forget_after"]
        due = sum(upkeep.count_cleanup())
        due += 0 if after is None else privacy.count_forgettable(timedelta(days=after))
        if due:
            words = "Nothing was done. If the clock is right, run this once with --trust-clock."
            raise CommandError(f"{doubt} {words}")

    def forget(self, options: dict[str, Any]) -> str:
        """Forget the invited people of old invitations, and return the text for the output."""
        if options["forget_after"] is None:
            return ""
        after = timedelta(days=options["forget_after"])
        if options["dry_run"]:
            return f", would forget: {privacy.count_forgettable(after)}"
        return f", forgotten: {privacy.forget_ended(after, batch_size=options['batch_size'])}"
