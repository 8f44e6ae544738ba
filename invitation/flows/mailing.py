"""Queue the mails of invitations, send them, and note what became of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import make_msgid
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from invitation import blocklist, keys, managers, signals, sites
from invitation.conf import conf
from invitation.delivery.base import get_delivery
from invitation.exceptions import (
    AddressRefused,
    DeliveryFailed,
    InvitationError,
    KeyExpired,
    KeyRevoked,
    NotRenewable,
)
from invitation.flows.announcing import announce
from invitation.models import InvitationEmail, InvitationKey

logger = logging.getLogger(__name__)

#: How often a mail is tried before it counts as failed, and the pause that grows with each try.
MAIL_ATTEMPTS = InvitationEmail.ATTEMPTS
MAIL_PAUSE = timedelta(minutes=5)
#: How many mails of a list are sent at once; more wait for ``sendinvitations``.
BULK_IMMEDIATE = 10
#: How much of a reason is kept.
REASON_LENGTH = 500


def ask_for_mail(invitation: InvitationKey) -> bool:
    """Queue a mail unless one was asked for within the cool-down; tell whether it is queued.

    A mail that waits for its next try is no reason to wait: that one is tried again, at once.
    """
    now = timezone.now()
    rested = InvitationKey.objects.request_mail(invitation.pk, now, conf.INVITATION_RESEND_COOLDOWN)
    if InvitationEmail.objects.requeue(invitation, now, failed=rested):
        own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
        waiting = InvitationEmail.objects.due(now) & own
        transaction.on_commit(lambda: _send_now(list(waiting)), robust=True)
        return True
    if rested:
        queue_mail(invitation)
    return rested


def queue_mail(
    invitation: InvitationKey, kind: InvitationEmail.Kind = InvitationEmail.Kind.INVITATION
) -> None:
    """Write the outbox row; where mails are sent at once, already leased to this process."""
    now = timezone.now()
    mail = InvitationEmail(
        invitation=invitation,
        kind=kind,
        not_before=now,
        created_at=now,
        message_id=make_msgid(domain=_mail_host(invitation.site_id)),
    )
    immediate = get_delivery().immediate
    if immediate:
        mail.state = InvitationEmail.State.SENDING
        mail.attempts = 1
        mail.lease_until = now + InvitationEmail.objects.LEASE
    mail.save(force_insert=True)
    if immediate:
        # Robust: whatever goes wrong while sending, the invitation stands and the member's
        # request goes on; Django logs the error, and the lease runs out for the next try.
        transaction.on_commit(lambda: deliver(mail), robust=True)


def queue_mails(invitations: Sequence[InvitationKey]) -> None:
    """Write the outbox rows of many invitations of one site, in few statements.

    At most ``BULK_IMMEDIATE`` are sent after the commit, by a delivery that does so: a request must
    not last as long as a thousand mails. More than that wait for ``sendinvitations``.
    """
    if not invitations:
        return
    now, host = timezone.now(), _mail_host(invitations[0].site_id)
    mails = [
        InvitationEmail(
            invitation=invitation,
            not_before=now,
            created_at=now,
            message_id=make_msgid(domain=host),
        )
        for invitation in invitations
    ]
    managers.insert(mails)
    if len(mails) <= BULK_IMMEDIATE and get_delivery().immediate:
        written = InvitationEmail.objects.filter(invitation__in=invitations).order_by("pk")
        transaction.on_commit(lambda: _send_while_it_works(list(written)), robust=True)


def _send_while_it_works(mails: list[InvitationEmail]) -> None:
    """Send these one after the other, and leave the rest to wait if one does not go.

    A mail server that hangs takes as long as it may for each.
    """
    for waiting in mails:
        mail = InvitationEmail.objects.lease(waiting.pk, timezone.now())
        if mail is not None and not deliver(mail):
            return


def _mail_host(site_id: int) -> str:
    """Return the host that the Message-IDs of a site name."""
    host = urlsplit(sites.base_url(site_id)).hostname or ""
    # A Message-ID is ASCII (RFC 5322, 3.6.4), a Site's domain need not be.
    try:
        return host.encode("idna").decode()
    except UnicodeError:  # no host name at all, which is for the system checks to say
        return "localhost"


def _send_now(mails: list[InvitationEmail]) -> None:
    if get_delivery().immediate:
        for waiting in mails:
            mail = InvitationEmail.objects.lease(waiting.pk, timezone.now())
            if mail is not None:
                deliver(mail)


def deliver(mail: InvitationEmail) -> bool:
    """Send one mail that this process has leased, note what became of it, tell if it went."""
    delivery = get_delivery()
    outbox = InvitationEmail.objects
    if mail.attempts > MAIL_ATTEMPTS:
        # Its senders died, one after the other, before they could say why.
        outbox.mark_failed(mail, f"Given up after {MAIL_ATTEMPTS} attempts.")
        return False
    objection = _objection(mail)
    if objection is not None:
        outbox.mark_failed(mail, str(objection))
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
        _note_failure(mail, f"{type(error).__name__}: {error}")
        return False
    if outbox.mark_sent(mail, timezone.now()) and mail.kind == InvitationEmail.Kind.INVITATION:
        announce(signals.invitation_sent, invitation=mail.invitation, mail=mail)
    return True


def _objection(mail: InvitationEmail) -> InvitationError | None:
    """Return why a mail has become pointless since it was queued, or ``None``."""
    refusal = mail.invitation.refusal()
    if mail.kind == InvitationEmail.Kind.INVITATION:
        return refusal or _blocked(mail.invitation.email)
    inviter = mail.invitation.from_user
    still = isinstance(refusal, (KeyExpired, KeyRevoked)) and inviter and inviter.is_active
    return None if still else NotRenewable()


def _blocked(email: str) -> AddressRefused | None:
    """Return why this address gets no mail, also if that is so only since it was invited."""
    try:
        blocklist.check(email)
    except AddressRefused as error:
        return error
    return None


def _note_failure(mail: InvitationEmail, reason: str, *, permanent: bool = False) -> None:
    # PostgreSQL stores no NUL, and a mail server may answer anything.
    reason = keys.conceal(reason).replace("\0", "")[:REASON_LENGTH]
    if permanent or mail.attempts >= MAIL_ATTEMPTS:
        InvitationEmail.objects.mark_failed(mail, reason)
    else:
        not_before = timezone.now() + MAIL_PAUSE * mail.attempts
        InvitationEmail.objects.mark_queued(mail, reason, not_before)


def waiting_mails() -> tuple[int, datetime | None]:
    """Return how many mails have still to go, and when the first of them may be tried."""
    return InvitationEmail.objects.waiting()


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
