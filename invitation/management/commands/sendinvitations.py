"""Send the invitation mails that wait in the outbox; fit for cron."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from invitation import flows
from invitation.management.commands.cleanupinvitation import positive


class Command(BaseCommand):
    """Send what waits and what a crash or a mail server left behind; safe beside itself."""

    help = "Send the invitation mails that wait in the outbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --limit."""
        parser.add_argument("--limit", type=positive, help="Try at most so many mails.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send and print the counts, unless verbosity is 0."""
        reminders = flows.remind()
        if reminders and options["verbosity"] > 0:
            self.stdout.write(f"Reminders: {reminders}.")
        sent, unsent = flows.deliver_due(options["limit"])
        if options["verbosity"] > 0:
            self.stdout.write(f"Sent: {sent}, not sent: {unsent}.{self.outlook()}")

    def outlook(self) -> str:
        """Return how many mails still wait and until when, or nothing if none does."""
        waiting, first = flows.waiting_mails()
        if first is None:
            return ""
        if timezone.is_aware(first):
            first = timezone.localtime(first)
        next_try = f"{first:%Y-%m-%d %H:%M:%S %Z}".strip()
        return f" Waiting: {waiting}, next try: {next_try}."
