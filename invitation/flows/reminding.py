"""Remind invited people before their invitations expire, each once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from invitation.conf import conf
from invitation.flows import limiting
from invitation.flows.cleaning import BATCH_SIZE
from invitation.flows.deadlocks import in_transaction
from invitation.flows.mailing import hand_over, queue_mail
from invitation.models import InvitationEmail, InvitationKey
from invitation.moments import has_passed


def remind(now: datetime | None = None, batch_size: int = BATCH_SIZE) -> int:
    """Ask for a mail to whoever has been mailed and has INVITATION_REMINDER_DAYS left at most.

    Works in batches, and may run beside everything and beside itself: whoever notes in the
    invitation that the reminder is asked for writes its mail too, in one transaction. The mails
    wait for a worker or ``deliver_due``. Returns how many were asked for; none where the setting
    is ``None``.
    """
    days = conf.INVITATION_REMINDER_DAYS
    if days is None:
        return 0
    now = now or timezone.now()
    rested = now - conf.INVITATION_RESEND_COOLDOWN
    due = InvitationKey.objects.get_queryset().to_remind(now, timedelta(days), rested)
    due = due.select_related("from_user").order_by("pk")
    reminded = last = 0
    written: list[int] = []
    while batch := list(due.filter(pk__gt=last)[:batch_size]):
        last = batch[-1].pk
        old = [invitation for invitation in batch if _is_half_over(invitation, now)]
        for invitation in limiting.with_room(old, InvitationEmail.Kind.REMINDER):
            reminded += in_transaction(partial(_remind, invitation, now, rested, written))
    transaction.on_commit(lambda: hand_over(written, now), robust=True)
    return reminded


def _is_half_over(invitation: InvitationKey, now: datetime) -> bool:
    """Tell whether more time has passed since the last mail than is left.

    An invitation for two days is not to be followed by its reminder at once.
    """
    mailed, end = invitation.mail_requested_at, invitation.expires_at
    return mailed is not None and end is not None and has_passed(mailed, now - (end - now), now)


def _remind(invitation: InvitationKey, now: datetime, rested: datetime, written: list[int]) -> bool:
    if not InvitationKey.objects.note_reminder(invitation.pk, now, rested):
        return False
    # The invitation's row before any counter of mails, as everybody else who asks for one.
    kind = InvitationEmail.Kind.REMINDER
    if queue_mail(invitation, kind, now=now, not_before=now, written=written):
        return True
    # One mail too many for today: nothing is noted, and the next run tries again.
    transaction.set_rollback(True)
    return False
