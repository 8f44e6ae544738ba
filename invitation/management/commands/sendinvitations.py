"""Send the invitation mails that wait in the outbox; fit for cron, and for a supervisor."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

from invitation import flows
from invitation.management.commands.cleanupinvitation import positive

logger = logging.getLogger(__name__)

#: What ends a run.
ENDS = (signal.SIGTERM, signal.SIGINT)
#: How many processes one command starts at most: each has a connection to the database.
MOST_WORKERS = 64
#: Seconds between two looks at whether it was told to end.
NAP = 0.2


class Command(BaseCommand):
    """Send what waits and what a crash or a mail server left behind; safe beside itself."""

    help = "Send the invitation mails that wait in the outbox."
    #: Whether SIGTERM or SIGINT has come.
    stopped = False
    #: The process that has started others, and those.
    parent = 0
    workers: Sequence[Any] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --limit, --loop, --interval, --workers, --status and --fail-after."""
        parser.add_argument("--limit", type=positive, help="Try at most so many mails at a time.")
        parser.add_argument("--loop", action="store_true", help="Go on until told to end.")
        parser.add_argument(
            "--interval",
            type=positive,
            default=10,
            help="With --loop: how many seconds to wait when nothing is due (10).",
        )
        parser.add_argument(
            "--workers", type=positive, default=1, help="Send with so many processes (1)."
        )
        parser.add_argument(
            "--status", action="store_true", help="Send nothing: say how the outbox is."
        )
        parser.add_argument(
            "--fail-after",
            type=positive,
            metavar="SECONDS",
            help="With --status: exit with 1 if a mail is overdue for longer.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send and print the counts, unless verbosity is 0; end after the mail in hand."""
        if options["status"] or options["fail_after"]:
            if options["loop"] or options["workers"] > 1 or options["limit"]:
                words = "--status sends nothing: leave out --loop, --workers and --limit."
                raise CommandError(words, returncode=2)
            self.report_status(options["fail_after"], options["verbosity"])
            return
        if options["workers"] > MOST_WORKERS:
            raise CommandError(f"--workers: at most {MOST_WORKERS}, and fewer is faster.")
        if options["workers"] > 1:
            self.start_workers(options.pop("workers"), options)
            return
        with self.listening():
            self.send(options)
            while options["loop"] and not self.stopped:
                self.rest(options["interval"])
                self.send_again(options)

    # -- none --

    def report_status(self, fail_after: int | None, verbosity: int) -> None:
        """Print how the outbox is; fail if a mail is overdue for too many seconds."""
        health = flows.outbox_health()
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
        if fail_after is not None and overdue is not None and _seconds(overdue) > fail_after:
            raise CommandError(f"A mail is overdue for more than {fail_after} seconds.")

    # -- one process --

    def send(self, options: dict[str, Any], *, only_news: bool = False) -> None:
        """Write the reminders that are due, send what is, and say how it went."""
        reminders = flows.remind()
        if reminders and options["verbosity"] > 0:
            self.stdout.write(f"Reminders: {reminders}.")
        sent, unsent = flows.deliver_due(options["limit"], stopping=lambda: self.stopped)
        if options["verbosity"] > 0 and (sent or unsent or not only_news):
            self.stdout.write(f"Sent: {sent}, not sent: {unsent}.{self.outlook()}")
            self.stdout.flush()

    def send_again(self, options: dict[str, Any]) -> None:
        """Send, and outlive a database that is gone for a while."""
        close_old_connections()
        try:
            self.send(options, only_news=True)
        except (DatabaseError, InterfaceError) as error:
            logger.error("The outbox cannot be read: %s", type(error).__name__)  # noqa: TRY400
            connections.close_all()

    def rest(self, seconds: float) -> None:
        """Wait, but not longer than it takes to be told to end."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            time.sleep(NAP)

    def outlook(self) -> str:
        """Return how many mails still wait and until when, and whether none can leave."""
        waiting, first = flows.waiting_mails()
        pause = flows.delivery_pause()
        if pause is not None and pause.until <= timezone.now():
            pause = None  # The next mail that is due is tried.
        if first is not None and pause is not None:
            first = max(first, pause.until)
        words = "" if first is None else f" Waiting: {waiting}, next try: {_in_words(first)}."
        if pause is not None:
            words += f" Paused until {_in_words(pause.until)}: {pause.reason}"
        return words

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the run after the mail in hand."""
        try:
            before = {number: signal.signal(number, self.stop) for number in ENDS}
        except ValueError:  # not in the main thread: whoever calls us there ends us
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self, *args: Any) -> None:
        """End after the mail in hand, and let the workers do so."""
        self.stopped = True
        if os.getpid() == self.parent:
            for worker in self.workers:
                if worker.is_alive():
                    worker.terminate()

    # -- many --

    def start_workers(self, number: int, options: dict[str, Any]) -> None:
        """Start processes that do the same, pass signals on to them, and wait for them."""
        if "fork" not in multiprocessing.get_all_start_methods():
            raise CommandError("--workers needs a system that can fork; start several commands.")
        _hang_up()
        self.stdout.flush()
        start = multiprocessing.get_context("fork").Process
        options = {**options, "workers": 1}
        self.workers = [start(target=self.handle, kwargs=options) for _ in range(number)]
        self.parent = os.getpid()
        with self.listening():
            for worker in self.workers:
                worker.start()
            if self.stopped:  # some did not live yet
                self.stop()
            for worker in self.workers:
                worker.join()
        dead = sum(worker.exitcode != 0 for worker in self.workers)
        if dead:
            raise CommandError(f"{dead} of {number} workers ended with an error.")


def _hang_up() -> None:
    """Close what leads to the databases: a connection, and a pool of them, is one process's."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        getattr(connection, "close_pool", lambda: None)()


def _in_words(moment: datetime) -> str:
    if timezone.is_aware(moment):
        moment = timezone.localtime(moment)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def _seconds(age: timedelta) -> int:
    return int(age.total_seconds())
