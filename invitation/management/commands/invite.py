"""The command that invites people, in the name of the site or of a member."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from invitation.addresses import recipients
from invitation.exceptions import InvitationError
from invitation.flows import lists
from invitation.keys import sites
from invitation.management.named_members import find_members


class Command(BaseCommand):
    """Command that invites addresses, or the people in a CSV file.

    The same address or file again invites nobody twice.
    """

    help = (
        "Invite people by email, in the site's name or in the name of a member. "
        "Nobody who was invited already is invited again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the addresses and all options."""
        parser.add_argument(
            "addresses",
            nargs="*",
            metavar="ADDRESS",
            help='An email address, or a name with an address: "Ann <ann@example.org>".',
        )
        parser.add_argument("--csv", metavar="FILE", help="A CSV file. - reads standard input.")
        parser.add_argument(
            "--as",
            metavar="USER",
            dest="inviter",
            help=(
                "The member who invites: a login name or an email address. Their quota applies. "
                "Without it, the site invites, and there is no quota."
            ),
        )
        parser.add_argument(
            "--email-column",
            default="",
            metavar="NAME",
            help="The heading of the column with the addresses. Without it, the column is found.",
        )
        parser.add_argument(
            "--note", default="", metavar="TEXT", help="A note, for rows without their own."
        )
        parser.add_argument(
            "--site", type=int, metavar="ID", help="The id of the Site. The default is SITE_ID."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would happen, and change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Invite the people, and print what happened to each one, unless verbosity is 0."""
        name = options["inviter"]
        inviter = None if name is None else find_members([name])[0]
        site_id = _site_id(options["site"])
        verb = lists.check_list if options["dry_run"] else lists.invite_many
        try:
            reading = _read_list(options["addresses"], options["csv"], options["email_column"])
            batch = verb(inviter, reading.recipients, note=options["note"], site_id=site_id)
        except InvitationError as error:
            raise CommandError(str(error)) from error
        if options["verbosity"] > 0:
            self.report(batch, inviter, numbered=options["csv"] is not None)
            if reading.columns and not options["email_column"]:
                self.stdout.write(_printable(_column_read(reading)))
        made = lists.Verdict.NEW if options["dry_run"] else lists.Verdict.INVITED
        if not batch.count(made):
            raise CommandError("Nobody can be invited.")

    def report(self, batch: lists.ListResult, inviter: Any, *, numbered: bool) -> None:
        """Print a line for each person, the counts, and how many emails still wait."""
        for row in batch.rows:
            line = f"{row.email}: {row.verdict.label}"
            line = f"{row.number}: {line}" if numbered else line
            self.stdout.write(_printable(f"{line}: {row.reason}" if row.reason else line))
        counts = [(verdict, batch.count(verdict)) for verdict in lists.Verdict]
        said = ", ".join(f"{verdict.label}: {count}" for verdict, count in counts if count)
        self.stdout.write(f"{said[:1].upper()}{said[1:]}.")
        invited = batch.count(lists.Verdict.INVITED)
        waiting = lists.waiting_in_list(inviter, batch.id) if invited else 0
        if waiting:
            self.stdout.write(f"Emails that wait for sendinvitations: {waiting}.")


def _column_read(reading: recipients.Reading) -> str:
    """Return a line that says in which of several columns the addresses were."""
    others = ", ".join(heading for heading in reading.columns if heading != reading.column)
    return f"Read the column {reading.column}. For others, use --email-column: {others}."


def _read_list(addresses: list[str], file: str | None, column: str) -> recipients.Reading:
    """Return the people on the command line or in the file, and their columns.

    Raises ``CommandError`` unless one of the two is given.
    """
    if addresses and file is not None:
        raise CommandError("Name addresses or a file with --csv, not both.")
    if addresses:
        return recipients.read("\n".join(addresses))
    if file is None:
        raise CommandError(
            "Say whom to invite: manage.py invite ann@example.org, "
            "or manage.py invite --csv people.csv."
        )
    text = recipients.decode(_read(file))
    return recipients.read(text, pasted=False, email_column=column)


def _site_id(given: int | None) -> int:
    try:
        site_id = sites.current_site_id() if given is None else given
    except ImproperlyConfigured as error:
        raise CommandError("SITE_ID is not set. Name the Site with --site ID.") from error
    if not sites.exists(site_id):
        raise CommandError(f"There is no Site {site_id}. Check --site and SITE_ID.")
    return site_id


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _printable(line: str) -> str:
    """Return a line without control characters that a terminal would act on."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
