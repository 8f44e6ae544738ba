"""Actions of staff on emails: queue again, cancel, end the pause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from django.utils import timezone

from invitation import signals
from invitation.delivery.base import get_delivery
from invitation.flows.after_commit import BATCH_SIZE, announce, in_transaction, on_commit
from invitation.flows.mail.queueing import send_together
from invitation.models import DeliveryPause, InvitationEmail

#: Time an email may wait for its sender before its inviter sees that it is delayed.
PROMPT = timedelta(minutes=15)


def retry(mails: Iterable[InvitationEmail]) -> list[InvitationEmail]:
    """Queue those of these emails again that failed or were cancelled, and return them.

    This includes emails that a sender has left behind. It leaves out suppressed emails, because
    their recipients want none.

    Each email is due at once, with as many attempts as a new one and the same Message-ID. Before it
    leaves, it is checked again whether it is still wanted. If the delivery sends at once, a few
    emails leave right after the commit. More wait for ``sendinvitations``.
    """
    with send_together() as written:
        done = [in_transaction(partial(_retry, pks, written)) for pks in _batches(mails)]
    return [mail for mails in done for mail in mails]


def _retry(pks: list[int], written: list[int]) -> list[InvitationEmail]:
    mails = InvitationEmail.objects.retry(pks, timezone.now())
    on_commit(lambda: written.extend(mail.pk for mail in mails))
    return mails


def cancel(mails: Iterable[InvitationEmail]) -> list[InvitationEmail]:
    """Cancel those of these emails that wait, and return them.

    An email that is being sent now is not cancelled. One that its sender has left behind is.
    """
    return [mail for pks in _batches(mails) for mail in in_transaction(partial(_cancel, pks))]


def _cancel(pks: list[int]) -> list[InvitationEmail]:
    stopped = InvitationEmail.objects.cancel(pks, timezone.now())
    for mail in stopped:
        announce_cancelled(mail)
    return stopped


def announce_cancelled(mail: InvitationEmail) -> None:
    """Send ``mail_settled`` after the commit, for an email that was cancelled."""
    state = str(InvitationEmail.State.CANCELLED)
    announce(signals.mail_settled, mail=mail, state=state, failure="")


def _batches(mails: Iterable[InvitationEmail]) -> list[list[int]]:
    pks = sorted(mail.pk for mail in mails)
    return [pks[start : start + BATCH_SIZE] for start in range(0, len(pks), BATCH_SIZE)]


def reopen() -> bool:
    """Let the next sender try at once; return whether any sender would have waited."""
    return DeliveryPause.objects.end_waiting(timezone.now())


def is_delayed(mail: InvitationEmail) -> bool:
    """Return whether an email has not left although it should have; no query.

    If the delivery hands emails over, a new email is not late: a worker sends it within a moment.
    """
    if mail.state != InvitationEmail.State.QUEUED:
        return mail.state == InvitationEmail.State.FAILED
    late = mail.attempts > 0 or mail.created_at + PROMPT <= timezone.now()
    return late or get_delivery().immediate
