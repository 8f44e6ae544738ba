"""The command that invites everybody in a file, in the name of a member."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError

from invitation.addresses import recipients
from invitation.exceptions import InvitationError
from invitation.flows import lists
from invitation.keys import sites


class Command(BaseCommand):
    """Command that invites the people on a list, as the page does.

    The same file again invites nobody twice.
    """

    help = "Invite everybody in a CSV file, in the name of a member."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --csv, --as, --email-column, --note, --site and --dry-run."""
        parser.add_argument(
            "--csv", required=True, metavar="FILE", help="The file; - is standard input."
        )
        parser.add_argument(
            "--as", required=True, metavar="USER", dest="inviter", help="The member's login name."
        )
        parser.add_argument(
            "--email-column",
            default="",
            metavar="NAME",
            help="The heading of the column with the addresses; by default it is found.",
        )
        parser.add_argument("--note", default="", help="A note for rows that have none.")
        parser.add_argument(
            "--site", type=int, metavar="ID", help="The Site; by default the one of SITE_ID."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would happen.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Invite the people, and print what happened to each row, unless verbosity is 0."""
        inviter = _member(options["inviter"])
        site_id = _site_id(options["site"])
        verb = lists.check_list if options["dry_run"] else lists.invite_many
        try:
            text = recipients.decode(_read(options["csv"]))
            people = recipients.parse(text, pasted=False, email_column=options["email_column"])
            batch = verb(inviter, people, note=options["note"], site_id=site_id)
        except InvitationError as error:
            raise CommandError(str(error)) from error
        if options["verbosity"] > 0:
            self.report(batch, inviter)
        made = lists.Verdict.NEW if options["dry_run"] else lists.Verdict.INVITED
        if not batch.count(made):
            raise CommandError("Nobody in this file can be invited.")

    def report(self, batch: lists.ListResult, inviter: Any) -> None:
        """Print a line for each row, the counts, and how many emails still wait."""
        for row in batch.rows:
            line = f"{row.number}: {row.email}: {row.verdict.label}"
            self.stdout.write(_printable(f"{line}: {row.reason}" if row.reason else line))
        counts = [(verdict, batch.count(verdict)) for verdict in lists.Verdict]
        said = ", ".join(f"{verdict.label}: {count}" for verdict, count in counts if count)
        self.stdout.write(f"{said[:1].upper()}{said[1:]}.")
        invited = batch.count(lists.Verdict.INVITED)
        waiting = lists.waiting_in_list(inviter, batch.id) if invited else 0
        if waiting:
            self.stdout.write(f"Mails that wait for sendinvitations: {waiting}.")


def _member(name: str) -> Any:
    try:
        return get_user_model()._default_manager.get_by_natural_key(name)
    except ObjectDoesNotExist as error:
        raise CommandError(f"There is no account {name!r}.") from error


def _site_id(given: int | None) -> int:
    try:
        site_id = sites.current_site_id() if given is None else given
    except ImproperlyConfigured as error:
        raise CommandError("SITE_ID is not set: say which Site it is, with --site.") from error
    if not sites.exists(site_id):
        raise CommandError(f"There is no Site {site_id}.")
    return site_id


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _printable(line: str) -> str:
    """Return a line without control characters that a terminal would act on."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
