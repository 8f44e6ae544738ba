"""The command that shows, grants and verifies the quotas of some or all members."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from invitation.flows import quota
from invitation.flows.after_commit import roll_back, writing
from invitation.management.named_members import find_members

Verb = Callable[[QuerySet[Any]], int]

#: Message for each action, with the number of members.
DONE = {
    "add": "Granted {amount} to {members}.",
    "topup": "Topped up to {amount}: {members}.",
    "unlimited": "Limit removed: {members}.",
    "limited": "Limit applied: {members}.",
}

COLUMNS = "{:<32} {:>9} {:>8} {:>8} {:>9}  {}"


def amount(text: str) -> int:
    """Return the text as a number that can be granted.

    Raises ``ArgumentTypeError`` for a number that cannot be granted.
    """
    number = int(text)
    if not 1 <= number <= quota.GRANT_MAX:
        raise ArgumentTypeError(f"{text} is not from 1 to {quota.GRANT_MAX}")
    return number


class Command(BaseCommand):
    """Command that does one action with the quotas of the chosen members."""

    help = "Show the quotas of members, grant invitations, or verify the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions and the options that choose the members."""
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        show = actions.add_parser("show", help="Print what members have, spent and have left.")
        add = actions.add_parser("add", help="Grant each member N more invitations.")
        topup = actions.add_parser("topup", help="Make sure that each member has at least N left.")
        unlimited = actions.add_parser("unlimited", help="Remove the limit of members.")
        limited = actions.add_parser("limited", help="Apply the limit to members again.")
        verify = actions.add_parser("verify", help="Compare each counter with its ledger.")
        verify.add_argument(
            "--repair", action="store_true", help="Correct the ledger to match the counter."
        )
        for action in (add, topup):
            action.add_argument("amount", type=amount, metavar="N")
        for action in (show, add, topup, unlimited, limited):
            whom = action.add_mutually_exclusive_group(required=True)
            whom.add_argument(
                "--user",
                action="append",
                metavar="NAME",
                help="A member, by login name or email address. Repeat it for several members.",
            )
            whom.add_argument("--group", metavar="NAME", help="The members of this group.")
            whom.add_argument("--all", action="store_true", help="Every member.")
        for action in (add, topup, unlimited, limited):
            action.add_argument(
                "--dry-run", action="store_true", help="Count the members, and change nothing."
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        if options["action"] == "verify":
            self.verify(repair=options["repair"], quiet=options["verbosity"] == 0)
        elif options["action"] == "show":
            self.show(chosen_users(options))
        else:
            self.change(options)

    def show(self, users: QuerySet[Any]) -> None:
        """Print a table of the members' quotas."""
        self.stdout.write(COLUMNS.format("Member", "Limit", "Granted", "Spent", "Left", "Refills"))
        for line in quota.quota_lines(users.order_by("pk")):
            refills = line.refills_at
            if refills is not None and timezone.is_aware(refills):
                refills = timezone.localtime(refills)
            row = COLUMNS.format(
                line.user.get_username(),
                "unlimited" if line.limit is None else line.limit,
                line.granted,
                line.spent,
                "unlimited" if line.remaining is None else line.remaining,
                f"{refills:%Y-%m-%d %H:%M %Z}" if refills else "",
            )
            self.stdout.write(row.rstrip())

    def change(self, options: dict[str, Any]) -> None:
        """Change quotas and print for how many members. With --dry-run, only count."""
        verbs: dict[str, Verb] = {
            "add": partial(quota.grant_all, amount=options.get("amount", 0)),
            "topup": partial(quota.top_up, amount=options.get("amount", 0)),
            "unlimited": quota.set_unlimited,
            "limited": partial(quota.set_unlimited, unlimited=False),
        }
        action, users = options["action"], chosen_users(options)
        if options["dry_run"]:
            with writing():
                number = verbs[action](users)
                roll_back()
        else:
            number = verbs[action](users)
        if options["verbosity"] > 0:
            members = f"{number} member" if number == 1 else f"{number} members"
            words = DONE[action].format(amount=options.get("amount"), members=members)
            self.stdout.write(f"Would do: {words}" if options["dry_run"] else words)

    def verify(self, *, repair: bool, quiet: bool) -> None:
        """Print the members whose counter and ledger differ.

        With ``repair``, correct the ledgers. Otherwise raise ``CommandError`` if any differ.
        """
        found = quota.correct_ledger() if repair else quota.ledger_differences()
        for one in found:
            self.stdout.write(f"{one.name}: counter {one.counter}, ledger {one.ledger}")
        if found and not repair:
            raise CommandError(f"Counter and ledger differ: {len(found)}.", returncode=1)
        if not quiet:
            words = f"Corrected: {len(found)}." if found else "Every counter is its ledger's sum."
            self.stdout.write(words)


def chosen_users(options: dict[str, Any]) -> QuerySet[Any]:
    """Return the chosen members. Raise ``CommandError`` for an unknown name."""
    model: Any = get_user_model()
    users: QuerySet[Any] = model._default_manager.all()
    if options["user"]:
        return users.filter(pk__in=[member.pk for member in find_members(options["user"])])
    if options["group"] is None:
        return users
    if not hasattr(model, "groups"):
        raise CommandError(f"The user model {model._meta.label} has no groups.")
    if not Group.objects.filter(name=options["group"]).exists():
        raise CommandError(f'There is no group "{options["group"]}". Check the spelling.')
    return users.filter(groups__name=options["group"])
