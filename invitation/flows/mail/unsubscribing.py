"""Addresses that get no more invitations, because the owner unsubscribed or email bounced."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from django.db import IntegrityError

from invitation import keys, signals
from invitation.flows.after_commit import announce, in_transaction
from invitation.keys import unsubscribing
from invitation.keys.unsubscribing import Digest
from invitation.models import InvitationEmail, SuppressedAddress

Reason = SuppressedAddress.Reason

#: Most characters kept of a mail server's answer.
DETAILS_LENGTH = 500


def unsubscribe(token: str) -> bool:
    """Unsubscribe the address whose email had this token; return whether the token is valid.

    Repeated calls have the same result. The result does not tell whether the address was
    unsubscribed before, or whether an invitation is left.
    """
    found = unsubscribing.resolve(token)
    if found is None:
        return False
    _suppress([found], Reason.UNSUBSCRIBED)
    return True


def suppress(email: str, reason: str = Reason.ADMIN) -> bool:
    """Stop invitations to an address; return whether they were allowed until now.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    return _suppress(unsubscribing.digests(email), reason)


def lift(email: str) -> bool:
    """Allow invitations to an address again; return whether they were stopped until now.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    deleted, _by_model = in_transaction(SuppressedAddress.objects.known(digests_of(email)).delete)
    return bool(deleted)


def digests_of(email: str) -> list[bytes]:
    """Return the digests under which an address may be suppressed; no query."""
    return [known.digest for known in unsubscribing.digests(email)]


def is_suppressed(email: str) -> SuppressedAddress.Reason | None:
    """Return why an address gets no invitations, or ``None`` if it gets them; one query."""
    reason = SuppressedAddress.objects.reason(digests_of(email))
    return None if reason is None else Reason(reason)


def not_suppressed(emails: Collection[str]) -> set[str]:
    """Return those of these addresses that get invitations; one query, blank ones left out."""
    known = {email: digests_of(email) for email in emails if email}
    wanted = [digest for digests in known.values() for digest in digests]
    rows = SuppressedAddress.objects.known(wanted).values_list("digest", flat=True)
    found = set(rows) if wanted else set()
    return {email for email, digests in known.items() if found.isdisjoint(digests)}


def report_bounce(
    email: str, message_id: str = "", *, permanent: bool = True, details: str = ""
) -> bool:
    """Record that an email to this address bounced; return whether that is new.

    After a permanent bounce, the email's row fails with a reason that the inviter sees. The address
    gets no more invitations. A temporary bounce changes nothing. ``message_id`` is the Message-ID
    of the email, if known. Otherwise the latest email to this address is meant.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    if not permanent:
        return False
    mail = InvitationEmail.objects.sent_to(unsubscribing.comparable(email), message_id)
    # PostgreSQL cannot store NUL, and a mail server's answer may quote the email with its key.
    details = keys.conceal(details).replace("\0", "")[:DETAILS_LENGTH]
    returned = mail is not None and in_transaction(
        partial(InvitationEmail.objects.mark_bounced, mail, details)
    )
    if returned:
        state, failure = InvitationEmail.State.FAILED, InvitationEmail.Failure.BOUNCED
        announce(signals.mail_settled, mail=mail, state=str(state), failure=str(failure))
    # Not in one transaction: if the second change fails, the reporting service reports again.
    news = suppress(email, Reason.BOUNCED) or returned
    if news:
        announce(signals.invitation_bounced, email=email, mail=mail)
    return news


def report_complaint(email: str, message_id: str = "") -> bool:
    """Record that a person reported an invitation as spam; return whether that is new.

    That person reads email at this address. The address gets no more invitations. The email stays
    sent, and its inviter is not told.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    mail = InvitationEmail.objects.sent_to(unsubscribing.comparable(email), message_id)
    news = suppress(email, Reason.COMPLAINED)
    if news:
        announce(signals.invitation_complained, email=email, mail=mail)
    return news


def _check(email: str) -> None:
    """Raise ``ValueError`` for a blank address, which all forgotten people have."""
    if not (email or "").strip():
        raise ValueError("There is no address.")


def _suppress(known: Sequence[Digest], reason: str) -> bool:
    """Write a row with the first digest unless one has a row; return whether that is new.

    There is no transaction around it. SQLite may refuse a write after a read while others write. On
    MariaDB, a search for a missing row would lock out the others.
    """
    digests = [digest.digest for digest in known]
    if SuppressedAddress.objects.reason(digests) is None and _add(known[0], reason):
        announce(signals.address_suppressed, reason=str(reason))
        return True
    outrank = partial(SuppressedAddress.objects.outrank, digests, reason)
    return reason != Reason.BOUNCED and in_transaction(outrank)


def _add(known: Digest, reason: str) -> bool:
    """Write a row unless it exists; return whether it was written.

    If two processes write at once, the unique digest decides. The second one does not read the row
    that is there. On MariaDB, its transaction might not see that row.
    """
    create = partial(
        SuppressedAddress.objects.create, digest=known.digest, key_id=known.key_id, reason=reason
    )
    try:
        in_transaction(create)
    except IntegrityError:
        return False
    return True
