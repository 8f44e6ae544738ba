"""Note what became of an email: it left, it is tried again, or it has come to its end."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from invitation import keys, signals
from invitation.delivery.base import BaseDelivery
from invitation.exceptions import DeliveryFailed
from invitation.flows.announcing import announce
from invitation.models import InvitationEmail

logger = logging.getLogger(__name__)

State = InvitationEmail.State
Failure = InvitationEmail.Failure

#: How often a mail is tried before it counts as failed.
MAIL_ATTEMPTS = InvitationEmail.ATTEMPTS
#: How often a mail server may take a mail without a word before it counts as sent.
UNCONFIRMED_ATTEMPTS = InvitationEmail.UNCONFIRMED_ATTEMPTS
#: The pause after the first failure, doubled with each one, and the longest: about a day in all.
MAIL_PAUSE, MAIL_PAUSE_MAX = timedelta(minutes=5), timedelta(hours=6)
#: By how much of itself a pause is longer or shorter at random, so that what failed together does
#: not come back together.
JITTER = 0.2
#: How much of a reason is kept.
REASON_LENGTH = 500


def note_sent(mail: InvitationEmail) -> None:
    """Note that a mail has left."""
    _settle_sent(mail)


def note_probably_sent(mail: InvitationEmail, error: DeliveryFailed) -> None:
    """Note that a mail counts as sent, and why nobody knows."""
    logger.warning(
        "Invitation mail %s was probably sent: %s times, the mail server took all of it and did "
        "not answer. It is not sent again.",
        mail.pk,
        mail.unconfirmed + 1,
    )
    _settle_sent(mail, str(Failure.UNCONFIRMED), kept(str(error)))


def _settle_sent(mail: InvitationEmail, *failure: str) -> None:
    if not _mark_sent(mail, *failure):
        return  # Its lease had run out, and another one has it now.
    if mail.kind == InvitationEmail.Kind.INVITATION:
        announce(signals.invitation_sent, invitation=mail.invitation, mail=mail)
    announce(signals.mail_settled, mail=mail, state=str(State.SENT), failure=mail.failure)


def _mark_sent(mail: InvitationEmail, *failure: str) -> bool:
    """Note it, also if the database has just ended the connection: else it would go twice."""
    outbox = InvitationEmail.objects
    try:
        return outbox.mark_sent(mail, timezone.now(), *failure)
    except (OperationalError, InterfaceError):
        connection = connections[outbox.db]
        if connection.in_atomic_block:
            raise
        connection.close()
        return outbox.mark_sent(mail, timezone.now(), *failure)


def is_probably_sent(mail: InvitationEmail) -> bool:
    """Tell whether a mail counts as sent, of which a server has just not said that it took it."""
    often = mail.unconfirmed + 1 >= UNCONFIRMED_ATTEMPTS
    return often or mail.attempts >= MAIL_ATTEMPTS


def settle(
    mail: InvitationEmail, failure: str, details: str = "", state: str = State.FAILED
) -> None:
    """Note that a mail will not be tried again, and why."""
    if InvitationEmail.objects.mark_ended(mail, state, failure, kept(details)):
        announce(signals.mail_settled, mail=mail, state=str(state), failure=str(failure))


def note_failure(
    delivery: BaseDelivery,
    mail: InvitationEmail,
    error: DeliveryFailed,
    failure: str = Failure.GIVEN_UP,
) -> None:
    """Note when a mail is tried again, or that it has failed: for good, or too often."""
    reason = str(error)
    if error.permanent:
        settle(mail, Failure.REFUSED, reason)
    elif mail.attempts >= MAIL_ATTEMPTS:
        settle(mail, failure, reason)
    else:
        not_before = timezone.now() + _pause_after(mail.attempts)
        noted = InvitationEmail.objects.mark_queued(
            mail, kept(reason), not_before, unconfirmed=error.unconfirmed
        )
        if noted and not delivery.immediate:
            delivery.hand_over([mail.pk], not_before)


def note_closing(mail: InvitationEmail, reason: str, now: datetime) -> datetime:
    """Count the attempt of a mail that has closed the way, and let others come before it.

    The first time it comes with the others after the pause; from then on it waits longer. Returns
    until when.
    """
    if mail.attempts >= MAIL_ATTEMPTS:
        settle(mail, Failure.GIVEN_UP, reason)
        return now
    again = mail.attempts - 1
    later = now + _pause_after(again) if again else now
    InvitationEmail.objects.mark_queued(mail, reason, later)
    return later


def _pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    grown: timedelta = MAIL_PAUSE * 2 ** (attempts - 1)
    return min(MAIL_PAUSE_MAX, grown) * (1 + JITTER * (secrets.randbelow(2001) / 1000 - 1))


def kind_of(error: DeliveryFailed) -> str:
    """Return what kind of failure it was, with the mail server's codes, and nobody's words."""
    name = type(error.__cause__ or error).__name__
    return " ".join([name, *(str(code) for code in error.codes)])


def kept(reason: str) -> str:
    """Return of a reason what is kept: no key, and no NUL, which PostgreSQL stores nowhere."""
    return keys.conceal(reason).replace("\0", "")[:REASON_LENGTH]
