"""Let those who run the site look after its mails: queue them again, stop them, go on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from invitation import signals
from invitation.delivery.base import get_delivery
from invitation.flows.announcing import announce
from invitation.flows.cleaning import BATCH_SIZE
from invitation.flows.deadlocks import in_transaction
from invitation.flows.mailing import together
from invitation.models import DeliveryPause, InvitationEmail

#: How long a mail may wait for whoever sends it before its inviter is told that it is delayed.
PROMPT = timedelta(minutes=15)


def retry(mails: Iterable[InvitationEmail]) -> list[InvitationEmail]:
    """Queue those of these mails again that failed or were cancelled, and return them.

    Those that a sender has left behind, too.

    At once, with as many attempts as a new one, and the same Message-ID. Not what was suppressed:
    its recipient wants none. Before it leaves, each is asked again whether it is still wanted.
    A few are sent right after the commit where the delivery does so; more wait for
    ``sendinvitations``.
    """
    with together() as written:
        done = [in_transaction(partial(_retry, pks, written)) for pks in _batches(mails)]
    return [mail for mails in done for mail in mails]


def _retry(pks: list[int], written: list[int]) -> list[InvitationEmail]:
    mails = InvitationEmail.objects.retry(pks, timezone.now())
    transaction.on_commit(lambda: written.extend(mail.pk for mail in mails), robust=True)
    return mails


def cancel(mails: Iterable[InvitationEmail]) -> list[InvitationEmail]:
    """Stop those of these mails that wait, and return them: they are not sent.

    Not one that is being sent at this moment, but one that its sender has left behind.
    """
    return [mail for pks in _batches(mails) for mail in in_transaction(partial(_cancel, pks))]


def _cancel(pks: list[int]) -> list[InvitationEmail]:
    stopped = InvitationEmail.objects.cancel(pks, timezone.now())
    for mail in stopped:
        announce_cancelled(mail)
    return stopped


def announce_cancelled(mail: InvitationEmail) -> None:
    """Tell the rest of the site, after the commit, that a mail was stopped."""
    state = str(InvitationEmail.State.CANCELLED)
    announce(signals.mail_settled, mail=mail, state=state, failure="")


def _batches(mails: Iterable[InvitationEmail]) -> list[list[int]]:
    pks = sorted(mail.pk for mail in mails)
    return [pks[start : start + BATCH_SIZE] for start in range(0, len(pks), BATCH_SIZE)]


def reopen() -> bool:
    """Let the next sender try the way out again at once; tell whether any would have waited."""
    return DeliveryPause.objects.end_waiting(timezone.now())


def is_delayed(mail: InvitationEmail) -> bool:
    """Tell whether a mail has not left although it should have; no query.

    That of a delivery which does not send at once is not late yet: somebody else will send it in a
    moment.
    """
    if mail.state != InvitationEmail.State.QUEUED:
        return mail.state == InvitationEmail.State.FAILED
    late = mail.attempts > 0 or mail.created_at + PROMPT <= timezone.now()
    return late or get_delivery().immediate
