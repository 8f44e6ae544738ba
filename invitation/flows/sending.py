"""Send what waits in the outbox, and note what became of it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from invitation import keys, signals
from invitation.delivery.base import get_delivery
from invitation.exceptions import DeliveryFailed
from invitation.flows.announcing import announce
from invitation.flows.objections import objection_to
from invitation.models import InvitationEmail

logger = logging.getLogger(__name__)

State = InvitationEmail.State
Failure = InvitationEmail.Failure

#: How often a mail is tried before it counts as failed, and the pause that grows with each try.
MAIL_ATTEMPTS = InvitationEmail.ATTEMPTS
MAIL_PAUSE = timedelta(minutes=5)
#: How much of a reason is kept.
REASON_LENGTH = 500


def deliver(mail: InvitationEmail) -> bool:
    """Send one mail that this process has leased, note what became of it, tell if it went."""
    delivery = get_delivery()
    outbox = InvitationEmail.objects
    if mail.attempts > MAIL_ATTEMPTS:
        # Its senders died, one after the other, before they could say why.
        _settle(mail, Failure.GIVEN_UP, f"Given up after {MAIL_ATTEMPTS} attempts.")
        return False
    objection = objection_to(mail)
    if objection is not None:
        _settle(mail, objection.failure, objection.details, objection.state)
        return False
    try:
        delivery.send(mail)
    except DeliveryFailed as error:
        logger.warning("Invitation mail %s was not sent: %s", mail.pk, type(error.__cause__))
        _note_failure(mail, str(error), permanent=error.permanent)
        return False
    except Exception as error:  # noqa: BLE001
        # Whatever a template or a mail backend of the site raises: one mail must not hold up
        # those behind it, nor be tried for ever. A traceback may quote the link.
        report = keys.conceal(traceback.format_exc())
        logger.error("Invitation mail %s was not sent:\n%s", mail.pk, report)  # noqa: TRY400
        _note_failure(mail, f"{type(error).__name__}: {error}", Failure.BROKEN)
        return False
    if outbox.mark_sent(mail, timezone.now()):
        if mail.kind == InvitationEmail.Kind.INVITATION:
            announce(signals.invitation_sent, invitation=mail.invitation, mail=mail)
        announce(signals.mail_settled, mail=mail, state=str(State.SENT), failure="")
    return True


def _settle(
    mail: InvitationEmail, failure: str, details: str = "", state: str = State.FAILED
) -> None:
    """Note that a mail will not be tried again, and why."""
    # PostgreSQL stores no NUL, and a mail server may answer anything.
    details = keys.conceal(details).replace("\0", "")[:REASON_LENGTH]
    if InvitationEmail.objects.mark_ended(mail, state, failure, details):
        announce(signals.mail_settled, mail=mail, state=str(state), failure=str(failure))


def _note_failure(
    mail: InvitationEmail,
    reason: str,
    failure: str = Failure.GIVEN_UP,
    *,
    permanent: bool = False,
) -> None:
    if permanent:
        _settle(mail, Failure.REFUSED, reason)
    elif mail.attempts >= MAIL_ATTEMPTS:
        _settle(mail, failure, reason)
    else:
        reason = keys.conceal(reason).replace("\0", "")[:REASON_LENGTH]
        not_before = timezone.now() + MAIL_PAUSE * mail.attempts
        InvitationEmail.objects.mark_queued(mail, reason, not_before)


def deliver_rows(pks: Sequence[int]) -> tuple[int, int]:
    """Send these rows if they are due; return how many went and how many did not.

    After one that does not go the rest waits: a mail server that hangs takes as long as it may
    for each.
    """
    sent = 0
    for pk in pks:
        mail = InvitationEmail.objects.lease(pk, timezone.now())
        if mail is None:
            continue
        if not deliver(mail):
            return sent, 1
        sent += 1
    return sent, 0


def deliver_due(limit: int | None = None) -> tuple[int, int]:
    """Send what waits in the outbox, oldest first; return how many went and how many did not.

    Safe to run beside itself: each mail is leased before it is sent.
    """
    sent = unsent = 0
    due = InvitationEmail.objects.due(timezone.now()).order_by("not_before", "pk")
    pks = due.values_list("pk", flat=True)
    for pk in list(pks if limit is None else pks[:limit]):
        mail = InvitationEmail.objects.lease(pk, timezone.now())
        if mail is None:
            continue
        if deliver(mail):
            sent += 1
        else:
            unsent += 1
    return sent, unsent
