"""Send the invitation mails that wait in the outbox; fit for cron."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from invitation import flows
from invitation.management.commands.cleanupinvitation import positive


class Command(BaseCommand):
    """Send what waits and what a crash or a mail server left behind; safe beside itself."""

    help = "Send the invitation mails that wait in the outbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --limit."""
        parser.add_argument("--limit", type=positive, help="Try at most so many mails.")
        parser.add_argument(
            "--status", action="store_true", help="Send nothing: say how the outbox is."
        )
        parser.add_argument(
            "--fail-after",
            type=positive,
            metavar="SECONDS",
            help="With --status: exit with 1 if a mail waits for longer.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send and print the counts, unless verbosity is 0."""
        if options["status"] or options["fail_after"]:
            self.report_status(options["fail_after"], options["verbosity"])
            return
        sent, unsent = flows.deliver_due(options["limit"])
        if options["verbosity"] > 0:
            self.stdout.write(f"Sent: {sent}, not sent: {unsent}.{self.outlook()}")

    def report_status(self, fail_after: int | None, verbosity: int) -> None:
        """Print how the outbox is; fail if the oldest unsent mail waits for too many seconds."""
        health = flows.outbox_health()
        age = health.oldest_unsent_age
        if verbosity > 0:
            self.stdout.write(
                f"Queued: {health.queued} (due: {health.due}), "
                f"sending: {health.sending} (left behind: {health.stuck}), "
                f"failed in the last 24 hours: {health.failed}."
            )
            if age is not None:
                self.stdout.write(f"The oldest waits for {_seconds(age)} seconds.")
            if health.paused_until is not None:
                until = _local(health.paused_until)
                self.stdout.write(f"Paused until {until}: {health.paused_reason}")
        if fail_after is not None and age is not None and _seconds(age) > fail_after:
            raise CommandError(f"A mail waits for more than {fail_after} seconds.")

    def outlook(self) -> str:
        """Return how many mails still wait and until when, or nothing if none does."""
        waiting, first = flows.waiting_mails()
        if first is None:
            return ""
        return f" Waiting: {waiting}, next try: {_local(first)}."


def _local(moment: datetime) -> str:
    """Return a moment in the server's time zone."""
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())
