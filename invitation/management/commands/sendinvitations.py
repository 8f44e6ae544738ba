"""The command that sends the emails in the outbox, for cron or a supervisor."""

from __future__ import annotations

import logging
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from invitation.flows import mail, upkeep
from invitation.management import crews
from invitation.management.commands.cleanupinvitation import positive

logger = logging.getLogger(__name__)

#: Signals that end a run.
ENDS = (signal.SIGTERM, signal.SIGINT)
#: Largest number of processes of one command. Each has its own database connection.
MOST_WORKERS = 64


class Command(BaseCommand):
    """Command that sends waiting emails, and emails that a crash or a mail server left behind.

    Several of them may run at the same time.
    """

    help = "Send the emails that wait in the outbox."
    #: Whether SIGTERM or SIGINT has come.
    stopped = False
    #: In a worker: id of the process that started it.
    parent = 0
    #: Whether the database was not available in the latest round.
    cut = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --limit, --loop, --interval, --workers, --status and --fail-after."""
        parser.add_argument("--limit", type=positive, help="Maximum number of emails in one round.")
        parser.add_argument("--loop", action="store_true", help="Repeat until stopped.")
        parser.add_argument(
            "--interval",
            type=positive,
            default=10,
            help="With --loop: seconds to wait when nothing is due (default: 10).",
        )
        parser.add_argument(
            "--workers", type=positive, default=1, help="Number of processes (default: 1)."
        )
        parser.add_argument(
            "--status", action="store_true", help="Print the state of the outbox, and send nothing."
        )
        parser.add_argument(
            "--fail-after",
            type=positive,
            metavar="SECONDS",
            help="With --status: exit with 1 if an email is overdue for longer.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send and print the counts, unless verbosity is 0.

        A signal ends it after the current email.
        """
        if options["status"] or options["fail_after"]:
            if options["loop"] or options["workers"] > 1 or options["limit"]:
                words = "--status sends nothing. Leave out --loop, --workers and --limit."
                raise CommandError(words, returncode=2)
            self.report_status(options["fail_after"], options["verbosity"])
            return
        if options["workers"] > MOST_WORKERS:
            raise CommandError(f"--workers may be at most {MOST_WORKERS}. Fewer are faster.")
        if options["workers"] > 1:
            self.start_workers(options.pop("workers"), options)
            return
        with self.listening():
            self.work(options)

    # -- status --

    def report_status(self, fail_after: int | None, verbosity: int) -> None:
        """Print the state of the outbox.

        Raises ``CommandError`` if an email is overdue for more than ``fail_after`` seconds. Raises
        it also for stored moments in the future and for different clocks.
        """
        health = mail.outbox_health()
        age, overdue = health.oldest_unsent_age, health.overdue
        if verbosity > 0:
            self.stdout.write(
                f"Queued: {health.queued} (due: {health.due}), "
                f"sending: {health.sending} (left behind: {health.stuck}), "
                f"failed in the last 24 hours: {health.failed}."
            )
            if age is not None:
                self.stdout.write(f"The oldest waits for {_seconds(age)} seconds.")
            if overdue is not None:
                self.stdout.write(f"The longest due is overdue for {_seconds(overdue)} seconds.")
            if health.unconfirmed:
                self.stdout.write(
                    f"Probably sent, not confirmed in the last 24 hours: {health.unconfirmed}."
                )
            if health.paused_until is not None and health.paused_until > timezone.now():
                until = _in_words(health.paused_until)
                self.stdout.write(f"Paused until {until}: {health.paused_reason}")
        ahead = upkeep.moments_ahead()
        if ahead.total:
            words = f"The clock was wrong. Times in the future: emails {ahead.mails}, "
            words += f"counters {ahead.counters}, pauses {ahead.pauses}."
            raise CommandError(words)
        if abs(difference := upkeep.clock_difference()) > upkeep.APART:
            raise CommandError(
                f"The database's clock differs by {_seconds(abs(difference))} seconds."
            )
        if fail_after is not None and overdue is not None and _seconds(overdue) > fail_after:
            raise CommandError(f"An email is overdue for more than {fail_after} seconds.")

    # -- one process --

    def send(self, options: dict[str, Any], *, only_news: bool = False) -> None:
        """Write the due reminders, send the due emails, and print the counts."""
        reminders = mail.remind()
        if reminders and options["verbosity"] > 0:
            self.stdout.write(f"Reminders: {reminders}.")
        sent, unsent = mail.deliver_due(options["limit"], stopping=self.is_over)
        if options["verbosity"] > 0 and (sent or unsent or not only_news):
            self.stdout.write(f"Sent: {sent}, not sent: {unsent}.{self.outlook()}")
            self.stdout.flush()

    def work(self, options: dict[str, Any]) -> None:
        """Send once, or repeatedly with --loop until it must end."""
        if not options["loop"]:
            self.send(options)
            return
        only_news = False
        while not self.is_over():
            only_news = self.send_again(options, only_news=only_news) or only_news
            self.rest(options["interval"])

    def send_again(self, options: dict[str, Any], *, only_news: bool) -> bool:
        """Send, survive a lost database, and return whether the database was available."""
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:  # of a test: closing would end its transaction
                connection.close_if_unusable_or_obsolete()
        try:
            self.send(options, only_news=only_news)
        except (DatabaseError, InterfaceError) as error:
            if not self.cut:
                words = "The outbox cannot be read: %s. Trying again every %s seconds."
                logger.error(words, type(error).__name__, options["interval"])  # noqa: TRY400
            self.cut = True
            connections.close_all()
            return False
        if self.cut:
            logger.warning("The outbox can be read again.")
        self.cut = False
        return True

    def is_over(self) -> bool:
        """Return whether to end: after a signal, or when the starting process is gone."""
        if self.parent and not self.stopped and os.getppid() != self.parent:
            logger.error("The process that started this worker is gone. The worker ends.")
            self.stopped = True
        return self.stopped

    def rest(self, seconds: float) -> None:
        """Wait this many seconds, or until told to end."""
        end = time.monotonic() + seconds
        while not self.is_over() and time.monotonic() < end:
            time.sleep(crews.NAP)

    def outlook(self) -> str:
        """Return in words how many emails wait, until when, and whether delivery is paused."""
        waiting, first = mail.waiting_mails()
        pause = mail.delivery_pause()
        if pause is not None and pause.is_over(timezone.now()):
            pause = None  # The next due email will be tried.
        if first is not None and pause is not None:
            first = max(first, pause.until)
        words = "" if first is None else f" Waiting: {waiting}, next try: {_in_words(first)}."
        if pause is not None:
            words += f" Paused until {_in_words(pause.until)}: {pause.reason}"
        return words

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Make SIGTERM and SIGINT end the run after the current email."""
        try:
            before = {number: signal.signal(number, self.stop) for number in ENDS}
        except ValueError:  # not in the main thread: the caller ends the run there
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self, *args: Any) -> None:
        """End after the current email."""
        self.stopped = True

    # -- several processes --

    def start_workers(self, number: int, options: dict[str, Any]) -> None:
        """Start the worker processes, replace those that die, and wait for all of them.

        Raises ``CommandError`` if the system cannot fork, or if workers failed.
        """
        if not crews.can_fork():
            raise CommandError(
                "--workers needs a system that can fork. Start several commands instead."
            )
        _hang_up()
        self.stdout.flush()
        work = partial(self.be_worker, os.getpid(), options)
        crew = crews.Crew(number, work, keep=options["loop"])
        with self.listening():
            crew.run(lambda: self.stopped)
        if crew.given_up:
            raise CommandError(f"{crews.DEATHS} workers in a row ended at once.")
        if crew.failed:
            raise CommandError(f"{crew.failed} of {number} workers ended with an error.")

    def be_worker(self, parent: int, options: dict[str, Any]) -> None:
        """Send in this worker process until it ends."""
        self.parent = parent
        self.work(options)


def _hang_up() -> None:
    """Close the database connections and pools, because processes cannot share them."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        getattr(connection, "close_pool", lambda: None)()


def _in_words(moment: datetime) -> str:
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())
