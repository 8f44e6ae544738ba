"""Records of an email's result: sent, tried again, or settled for good."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from invitation import keys, signals
from invitation.delivery.base import BaseDelivery
from invitation.exceptions import DeliveryFailed
from invitation.flows.after_commit import announce, retrying
from invitation.models import InvitationEmail

logger = logging.getLogger(__name__)

State = InvitationEmail.State
Failure = InvitationEmail.Failure

#: Attempts before an email counts as failed.
MAIL_ATTEMPTS = InvitationEmail.ATTEMPTS
#: Attempts without an answer from the mail server before an email counts as sent.
UNCONFIRMED_ATTEMPTS = InvitationEmail.UNCONFIRMED_ATTEMPTS
#: First pause after a failure, doubled with each failure, and the longest pause: about a day in
#: all.
MAIL_PAUSE, MAIL_PAUSE_MAX = timedelta(minutes=5), timedelta(hours=6)
#: Share by which a pause is made longer or shorter at random. It spreads emails that failed
#: together.
JITTER = 0.2
#: Most characters kept of a reason.
REASON_LENGTH = 500


def note_sent(mails: Sequence[InvitationEmail]) -> None:
    """Record that these emails were sent."""
    _settle_sent(mails)


def note_probably_sent(mail: InvitationEmail, error: DeliveryFailed) -> None:
    """Record that an email counts as sent although the server did not answer."""
    logger.warning(
        "Invitation email %s was probably sent. The mail server took it %s times and did not "
        "answer. It is not sent again.",
        mail.pk,
        mail.unconfirmed + 1,
    )
    _settle_sent([mail], str(Failure.UNCONFIRMED), kept(str(error)))


def _settle_sent(mails: Sequence[InvitationEmail], *failure: str) -> None:
    # Not those whose lease had ended: another sender has them now.
    for mail in _mark_sent(mails, *failure):
        if mail.kind == InvitationEmail.Kind.INVITATION:
            announce(signals.invitation_sent, invitation=mail.invitation, mail=mail)
        announce(signals.mail_settled, mail=mail, state=str(State.SENT), failure=mail.failure)


def _mark_sent(mails: Sequence[InvitationEmail], *failure: str) -> list[InvitationEmail]:
    """Record that emails were sent, even if the database just closed the connection.

    Otherwise they would be sent twice.
    """
    outbox = InvitationEmail.objects
    mark = retrying(outbox.mark_sent)
    try:
        return mark(mails, timezone.now(), *failure)
    except (OperationalError, InterfaceError):
        connection = connections[outbox.db]
        if connection.in_atomic_block:
            raise
        connection.close()
        return mark(mails, timezone.now(), *failure)


def is_probably_sent(mail: InvitationEmail) -> bool:
    """Return whether an email counts as sent after another attempt without an answer."""
    often = mail.unconfirmed + 1 >= UNCONFIRMED_ATTEMPTS
    return often or mail.attempts >= MAIL_ATTEMPTS


def settle(
    mail: InvitationEmail,
    failure: str,
    details: str = "",
    state: str = State.FAILED,
    *,
    of_recipient: bool = False,
) -> None:
    """Record that an email will not be tried again, and why."""
    reason = kept(details)
    if retrying(InvitationEmail.objects.mark_ended)(
        mail, state, failure, reason, of_recipient=of_recipient
    ):
        announce(signals.mail_settled, mail=mail, state=str(state), failure=str(failure))


def note_failure(
    delivery: BaseDelivery,
    mail: InvitationEmail,
    error: DeliveryFailed,
    failure: str = Failure.GIVEN_UP,
) -> None:
    """Record when an email is tried again, or that it has failed for good.

    It fails for good after a permanent error or after ``MAIL_ATTEMPTS`` attempts.
    """
    reason = str(error)
    if error.permanent:
        settle(mail, Failure.REFUSED, reason, of_recipient=error.of_recipient)
    elif mail.attempts >= MAIL_ATTEMPTS:
        settle(mail, failure, reason)
    else:
        not_before = timezone.now() + _pause_after(mail.attempts)
        noted = retrying(InvitationEmail.objects.mark_queued)(
            mail,
            kept(reason),
            not_before,
            unconfirmed=error.unconfirmed,
            of_recipient=error.of_recipient,
        )
        if noted and not delivery.immediate:
            delivery.hand_over([mail.pk], not_before)


def note_closing(mail: InvitationEmail, reason: str, now: datetime) -> datetime:
    """Count the attempt of an email that caused a pause, and let others come before it.

    After its first attempt it is tried with the others after the pause. From then on it waits
    longer. Returns until when.
    """
    if mail.attempts >= MAIL_ATTEMPTS:
        settle(mail, Failure.GIVEN_UP, reason)
        return now
    again = mail.attempts - 1
    later = now + _pause_after(again) if again else now
    retrying(InvitationEmail.objects.mark_queued)(mail, reason, later)
    return later


def _pause_after(attempts: int) -> timedelta:
    """Return how long to wait after this many attempts."""
    grown: timedelta = MAIL_PAUSE * 2 ** (attempts - 1)
    return min(MAIL_PAUSE_MAX, grown) * (1 + JITTER * (secrets.randbelow(2001) / 1000 - 1))


def kind_of(error: DeliveryFailed) -> str:
    """Return the class of an error and the mail server's codes, without any message text."""
    name = type(error.__cause__ or error).__name__
    return " ".join([name, *(str(code) for code in error.codes)])


def kept(reason: str) -> str:
    """Return a reason as it may be stored: shortened, without keys and without NUL.

    PostgreSQL cannot store NUL.
    """
    return keys.conceal(reason).replace("\0", "")[:REASON_LENGTH]
