"""Write the mails of invitations into the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import make_msgid
from urllib.parse import urlsplit

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils import timezone

from invitation import managers, sites
from invitation.conf import conf
from invitation.delivery import wording
from invitation.delivery.base import get_delivery
from invitation.exceptions import MailTooSoon
from invitation.flows import limiting
from invitation.flows.sending import IN_PROCESS_SECONDS, deliver, deliver_rows
from invitation.models import InvitationEmail, InvitationKey

#: How many mails of a list are sent at once; more wait for ``sendinvitations``.
BULK_IMMEDIATE = 10


def ask_for_mail(invitation: InvitationKey, *, written: list[int] | None = None) -> bool:
    """Queue a mail unless one was asked for within the cool-down; tell whether it is queued.

    A mail that waits for its next try is no reason to wait: that one is tried again, at once, and
    counts for no limit a second time. Raises ``MailLimitReached`` for a new one. With ``written``
    it is left to the caller, who gets its primary key there after the commit (see ``together``).
    """
    now = timezone.now()
    rested = InvitationKey.objects.request_mail(invitation.pk, now, conf.INVITATION_RESEND_COOLDOWN)
    if InvitationEmail.objects.requeue(invitation, now, failed=rested):
        own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
        waiting = (InvitationEmail.objects.due(now) & own).values_list("pk", flat=True)
        let_go = _let_go if written is None else written.extend
        transaction.on_commit(lambda: let_go(list(waiting)), robust=True)
        return True
    own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
    if rested and own.filter(state=InvitationEmail.State.SENDING).exists():
        return False  # A sender has it in hand: another one would be the second.
    if rested:
        queue_mail(invitation, written=written)
    return rested


def too_soon(invitation: InvitationKey) -> MailTooSoon:
    """Return the error that says from when on a mail can be asked for, after it was not."""
    own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
    if own.filter(state=InvitationEmail.State.SENDING).exists():
        return MailTooSoon()
    asked = InvitationKey.objects.values_list("mail_requested_at", flat=True)
    moment = asked.filter(pk=invitation.pk).first()
    if moment is None:  # gone meanwhile
        return MailTooSoon()
    moment = wording.moment_for_reader(moment + conf.INVITATION_RESEND_COOLDOWN)
    return MailTooSoon(MailTooSoon.until_message, params={"moment": moment})


def queue_mail(
    invitation: InvitationKey,
    kind: InvitationEmail.Kind = InvitationEmail.Kind.INVITATION,
    *,
    now: datetime | None = None,
    not_before: datetime | None = None,
    written: list[int] | None = None,
) -> bool:
    """Write the outbox row; where mails are sent at once, already leased to this process.

    With ``not_before`` it waits until then, for a worker or ``sendinvitations``. With ``written``
    it waits, too: the caller tells of it, who gets its primary key there after the commit.

    Raises ``MailLimitReached`` for an invitation, if there may be no more mail within 24 hours. One
    of another kind is not written then: tells whether it was. Call it in the transaction of what it
    is about, when everything else in that is locked.
    """
    if not limiting.count([invitation], kind):
        return False
    now = now or timezone.now()
    mail = InvitationEmail(
        invitation=invitation,
        kind=kind,
        not_before=not_before or now,
        created_at=now,
        message_id=make_msgid(domain=_mail_host(invitation.site_id)),
    )
    immediate = get_delivery().immediate and not_before is None and written is None
    if immediate:
        mail.state = InvitationEmail.State.SENDING
        mail.attempts, mail.tried_at = 1, now
        mail.lease_until = now + InvitationEmail.objects.LEASE
    mail.save(force_insert=True)
    # Robust: whatever goes wrong while sending, the invitation stands and the member's
    # request goes on; Django logs the error, and the lease runs out for the next try.
    if immediate:
        transaction.on_commit(lambda: deliver(mail), robust=True)
    elif written is not None:  # the caller tells of all of them at once
        transaction.on_commit(lambda: written.append(mail.pk))
    else:
        transaction.on_commit(lambda: hand_over([mail.pk], not_before), robust=True)
    return True


def hand_over(pks: Sequence[int], not_before: datetime | None) -> None:
    """Tell who sends, where that is not us."""
    delivery = get_delivery()
    if pks and not delivery.immediate:
        delivery.hand_over(pks, not_before)


@contextmanager
def together() -> Iterator[list[int]]:
    """Collect what several verbs ask for: ``with flows.together() as written:``, in one request.

    Their mails go after the commit of all, in the time of one: a few where the delivery sends at
    once, while more than ``BULK_IMMEDIATE`` wait for ``sendinvitations``.
    """
    written: list[int] = []
    try:
        yield written
    finally:
        # Also after an error, which does not take back what was committed before.
        transaction.on_commit(lambda: _let_go_few(written), robust=True)


def queue_mails(invitations: Sequence[InvitationKey]) -> None:
    """Write the outbox rows of many invitations of one site, in few statements.

    At most ``BULK_IMMEDIATE`` are sent after the commit, by a delivery that does so: a request must
    not last as long as a thousand mails. More than that wait for ``sendinvitations``. Raises
    ``MailLimitReached``, as ``queue_mail`` does, if there may not be so many.
    """
    if not invitations:
        return
    limiting.count(invitations, InvitationEmail.Kind.INVITATION)
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
    if len(mails) <= BULK_IMMEDIATE or not get_delivery().immediate:
        transaction.on_commit(lambda: _let_go(_pks_of(mails)), robust=True)


def _pks_of(mails: Sequence[InvitationEmail]) -> list[int]:
    """Return the primary keys of rows that were written together, in their order."""
    of = {mail.invitation_id for mail in mails}
    written = InvitationEmail.objects.filter(
        created_at=mails[0].created_at, invitation__gte=min(of), invitation__lte=max(of)
    )
    found = written.order_by("pk").values_list("pk", "invitation_id")
    return [pk for pk, invitation in found if invitation in of]


def _let_go_few(pks: list[int]) -> None:
    """Send these rows if they are few, or tell who does."""
    if 0 < len(pks) <= BULK_IMMEDIATE or (pks and not get_delivery().immediate):
        _let_go(pks)


def _let_go(pks: list[int]) -> None:
    """Send these rows, or tell who does."""
    delivery = get_delivery()
    if delivery.immediate:
        deliver_rows(pks, IN_PROCESS_SECONDS)
    else:
        delivery.hand_over(pks)


def _mail_host(site_id: int) -> str:
    """Return the host that the Message-IDs of a site name."""
    try:
        host = urlsplit(sites.base_url(site_id)).hostname or ""
    except ObjectDoesNotExist:  # The site is gone: its mail fails when it is written.
        return "localhost"
    # A Message-ID is ASCII (RFC 5322, 3.6.4), a Site's domain need not be.
    try:
        return host.encode("idna").decode()
    except UnicodeError:  # no host name at all, which is for the system checks to say
        return "localhost"


def waiting_mails() -> tuple[int, datetime | None]:
    """Return how many mails have still to go, and when the first of them may be tried."""
    return InvitationEmail.objects.waiting(timezone.now())
