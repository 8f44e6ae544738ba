"""The command that shows or erases the personal data of one person."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from invitation.flows import privacy


class Command(BaseCommand):
    """Answer to a person who asks for their data, or who asks to erase it."""

    help = "Show or erase the data of the person with an email address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions export and forget, and the address."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        export = actions.add_parser("export", help="Print the data as JSON.")
        export.add_argument("email", metavar="EMAIL")
        forget = actions.add_parser("forget", help="Erase the data everywhere.")
        forget.add_argument("email", metavar="EMAIL")
        forget.add_argument(
            "--dry-run", action="store_true", help="Count what would be erased, and change nothing."
        )
        forget.add_argument("--yes", action="store_true", help="Erase without asking.")
        forget.add_argument(
            "--drop-unsubscribe",
            action="store_true",
            help="Also forget that the address is unsubscribed. Then it can be invited again.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the data, or erase it and print the counts."""
        if not options["email"].strip():
            raise CommandError("Name an email address.")
        if "@" not in options["email"] and not _is_known(options["email"]):
            raise CommandError("This is not an email address: it has no @.")
        if options["action"] == "export":
            found = privacy.export(options["email"])
            self.stdout.write(json.dumps(found, indent=2))
            return
        what = {name: options[name] for name in ("email", "drop_unsubscribe")}
        if not (options["yes"] or options["dry_run"]):
            self.ask(**what)
        self.forget(**what, dry_run=options["dry_run"])

    def ask(self, email: str, *, drop_unsubscribe: bool) -> None:
        """Show what would be erased, and ask for confirmation.

        Raises ``CommandError`` without a terminal or without a "yes".
        """
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask. Add --yes.")
        self.stdout.write(f"Address: {email.strip()!r}")
        self.forget(email, drop_unsubscribe=drop_unsubscribe, dry_run=True)
        self.stdout.write("This cannot be undone. Type yes to erase it: ", ending="")
        self.stdout.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise CommandError("Nothing was erased.")

    def forget(self, email: str, *, drop_unsubscribe: bool, dry_run: bool) -> None:
        """Erase the data and print the counts.

        The address is never printed, because logs may keep it.
        """
        account = privacy.has_account(email)
        found = privacy.forget(email, drop_unsubscribe=drop_unsubscribe, dry_run=dry_run)
        words = ("Would forget", "would revoke") if dry_run else ("Forgotten", "revoked")
        self.stdout.write(
            f"{words[0]}: {found.invitations} invitations, {words[1]}: {found.revoked}, "
            f"other texts: {found.texts}, unsubscribe dropped: "
            f"{'yes' if found.unsubscribe_dropped else 'no'}, proofs of accounts: {found.proofs}."
        )
        if account:
            self.stdout.write("There is an account with this address. It was not changed.")


def _is_known(text: str) -> bool:
    """Return whether exactly this text is stored as an address.

    django-invitation 1 could store an address without an @.
    """
    found = privacy.export(text)
    return bool(found["invitations"] or found["unsubscribed"] or found["has_account"])
