"""Invite an address no more: its owner has said so, or its mail comes back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db import IntegrityError

from invitation import keys, optouts, signals
from invitation.flows.announcing import announce
from invitation.flows.deadlocks import in_transaction
from invitation.models import InvitationEmail, SuppressedAddress
from invitation.optouts import Digest

Reason = SuppressedAddress.Reason

#: How much of what a mail server said is kept.
DETAILS_LENGTH = 500


def opt_out(token: str) -> bool:
    """Send no more invitations to the address whose mail had this token; tell if it is one.

    Again and again: the outcome is the same. Says nothing about whether it has been done before,
    or whether an invitation is left.
    """
    found = optouts.resolve(token)
    if found is None:
        return False
    _suppress([found], Reason.OPTED_OUT)
    return True


def suppress(email: str, reason: str = Reason.ADMIN) -> bool:
    """Send no more invitations to an address; tell whether they were sent until now.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    return _suppress(optouts.digests(email), reason)


def lift(email: str) -> bool:
    """Send invitations to an address again; tell whether they were not sent until now.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    deleted, _by_model = in_transaction(SuppressedAddress.objects.known(digests_of(email)).delete)
    return bool(deleted)


def digests_of(email: str) -> list[str]:
    """Return under what an address may stand among those that get no invitations; no query."""
    return [known.digest for known in optouts.digests(email)]


def is_suppressed(email: str) -> SuppressedAddress.Reason | None:
    """Return why an address gets no invitations, or ``None`` if it does; one query."""
    reason = SuppressedAddress.objects.reason(digests_of(email))
    return None if reason is None else Reason(reason)


def report_bounce(
    email: str, message_id: str = "", *, permanent: bool = True, details: str = ""
) -> bool:
    """Note that a mail to this address has come back; tell whether that is news.

    Where it has come back for good, its row fails with a reason that the inviter sees, and the
    address gets no more invitations. A mail that is only late is no matter. ``message_id`` is that
    of the mail, if whoever tells us knows it; else it is taken to be the latest to this address.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    if not permanent:
        return False
    mail = InvitationEmail.objects.sent_to(optouts.comparable(email), message_id)
    # PostgreSQL stores no NUL, and a mail server may answer anything, also with the mail itself.
    details = keys.conceal(details).replace("\0", "")[:DETAILS_LENGTH]
    returned = mail is not None and InvitationEmail.objects.mark_bounced(mail, details)
    if returned:
        state, failure = InvitationEmail.State.FAILED, InvitationEmail.Failure.BOUNCED
        announce(signals.mail_settled, mail=mail, state=str(state), failure=str(failure))
    # Not in one transaction: if the second fails, whoever tells us does so again.
    news = suppress(email, Reason.BOUNCED) or returned
    if news:
        announce(signals.invitation_bounced, email=email, mail=mail)
    return news


def report_complaint(email: str, message_id: str = "") -> bool:
    """Note that who reads mail at this address calls an invitation spam; tell whether it is news.

    The address gets no more invitations. The mail stays sent: its inviter is not told.

    Raises ``ValueError`` for a blank address.
    """
    _check(email)
    mail = InvitationEmail.objects.sent_to(optouts.comparable(email), message_id)
    news = suppress(email, Reason.COMPLAINED)
    if news:
        announce(signals.invitation_complained, email=email, mail=mail)
    return news


def _check(email: str) -> None:
    """Refuse what stands for nobody, or for all whom somebody has asked to forget."""
    if not (email or "").strip():
        raise ValueError("There is no address.")


def _suppress(known: Sequence[Digest], reason: str) -> bool:
    """Write the row with the first of these, unless there is one by any; tell if that is news.

    No transaction around it: SQLite refuses a write after a look to who is not alone, and on
    MariaDB a look for what is not there would lock out the others.
    """
    digests = [digest.digest for digest in known]
    if SuppressedAddress.objects.reason(digests) is None and _add(known[0], reason):
        announce(signals.address_suppressed, reason=str(reason))
        return True
    outrank = partial(SuppressedAddress.objects.outrank, digests, reason)
    return reason != Reason.BOUNCED and in_transaction(outrank)


def _add(known: Digest, reason: str) -> bool:
    """Write a row unless there is one; tell whether it was written.

    Of two that do so at once, the unique digest decides. The other does not look for what it has
    met, which on MariaDB a transaction might not see.
    """
    row = SuppressedAddress(digest=known.digest, key_id=known.key_id, reason=reason)
    try:
        in_transaction(partial(row.save, force_insert=True))
    except IntegrityError:
        return False
    return True
