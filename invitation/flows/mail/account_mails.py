"""Limits for the emails that a visitor can cause without logging in.

These emails are activation, password reset and the request for a new link. Anyone who knows an
address can ask for them. They are counted like invitations (see ``limiting``), but in their own
counters. So neither kind of email uses up the limit of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db.models.functions import Lower
from django.utils import timezone

from invitation import addresses
from invitation.conf import conf
from invitation.exceptions import AddressRefused
from invitation.flows.mail import limits as limits_module
from invitation.flows.mail.unsubscribing import is_suppressed
from invitation.models import Acceptance, ThrottleCounter

#: Kinds of emails, as they are counted.
ACTIVATION = "activation"
#: Activation email for a person who signed up with the link emailed to their address.
ACTIVATION_OF_INVITED = "activation:invited"
PASSWORD_RESET = "password_reset"  # noqa: S105 (no password)

#: Emails of one kind that one mailbox gets within 24 hours.
RECIPIENT_LIMIT = 5
#: Emails of all kinds that the visitors of one site can cause within 24 hours.
SITE_LIMIT = 10_000
#: Limit of a whole /48 IPv6 network, as a multiple of the limit of one client.
WIDE = 5
#: Names of the errors for reached limits. All other limits use the error of a recipient.
_ERRORS = {"client": "client", "account:site": "site"}


def count_account_mail(
    site_id: int, *, clients: tuple[str, ...] = (), kind: str = "", email: str = ""
) -> int:
    """Count an email about an account before it is sent.

    ``clients`` are the networks of the visitor, the narrowest first. Leave out ``kind`` and
    ``email`` for an attempt that sends no email. Returns how many emails of this kind the mailbox
    was sent before, within 24 hours. Raises ``MailLimitReached``; then nothing is counted.

    Call it last in a transaction. Its locks must be the last locks of the transaction.
    """
    per_client = conf.limit("client")
    wanted: list[tuple[str, str, int | None]] = [
        ("client", f"{site_id}:{client}", per_client and per_client * times)
        for times, client in zip((1, WIDE), clients, strict=False)
    ]
    name, mailbox = f"account:{kind}", ""
    if email:
        mailbox = f"{site_id}:{addresses.mailbox(_key(email))}"
        wanted.append((name, mailbox, RECIPIENT_LIMIT))
        wanted.append(("account:site", str(site_id), SITE_LIMIT))
    limits = [
        limits_module.limit_for(of, times, _ERRORS.get(of, "recipient"))(whom)
        for of, whom, times in wanted
    ]
    refusal, before = limits_module.count_all([[limit for limit in limits if limit is not None]])
    if refusal is not None:
        raise refusal
    return before[limits_module.scope_of(name, mailbox)]


def is_unwanted(user: Any) -> bool:
    """Return whether an account's address is unsubscribed and another person may have typed it.

    The owner typed it if the account was created with the link emailed to that address. The answer
    is false for an account that was created without any invitation.
    """
    email = getattr(user, user.get_email_field_name(), "") or ""
    if not email or is_suppressed(email) is None:
        return False
    came = Acceptance.objects.filter(user=user, new_account=True)
    return not came.filter(by_mail=True).exists() and came.exists()


def await_turn(site_id: int, email: str) -> None:
    """Lock the registration of this address until the end of the transaction.

    The row is not among the email counters, because MariaDB also locks the gap beside an awaited
    row. The holder of the lock may have to write a counter into that gap.
    """
    scope = limits_module.scope_of("registering", f"{site_id}:{_key(email)}")
    ThrottleCounter.objects.take_turn(scope, timezone.now())


def spellings_of(email: str) -> list[str]:
    """Return the forms that an account may store for this address, in lower case.

    These are the address as typed, in ASCII and in Unicode.
    """
    found = {email}
    with suppress(AddressRefused):
        found |= {addresses.clean(email), addresses.display(addresses.clean(email))}
    return sorted({text.lower() for text in found})


def with_address(rows: Any, field: str, email: str) -> list[Any]:
    """Return the rows whose ``field`` is this address, compared as addresses are."""
    rows = rows.annotate(invitation_address=Lower(field))
    found = rows.filter(invitation_address__in=spellings_of(email)).order_by("pk")
    # A database may treat different letters as equal, but the mailboxes differ (CVE-2019-19844).
    read = _reader(field)
    return [row for row in found if addresses.same(read(row), email)]


def _reader(field: str) -> Callable[[Any], str]:
    def read(row: Any) -> str:
        for name in field.split("__"):
            row = getattr(row, name)
        return str(row or "")

    return read


def _key(email: str) -> str:
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.lower()
