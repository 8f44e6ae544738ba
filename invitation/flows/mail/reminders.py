"""Reminders for invited people before their invitations expire, one for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.utils import timezone

from invitation.conf import conf
from invitation.flows.after_commit import BATCH_SIZE, in_transaction, on_commit, roll_back
from invitation.flows.mail import limits
from invitation.flows.mail.queueing import hand_over
from invitation.flows.mail.queueing import queue as queue_mail
from invitation.models import InvitationEmail, InvitationKey
from invitation.models.moments import has_passed


def remind(now: datetime | None = None, batch_size: int = BATCH_SIZE) -> int:
    """Queue reminders for invitations that expire within INVITATION_REMINDER_DAYS.

    Only people who have got an email are reminded. The function works in batches. Several processes
    may run it at the same time. One transaction marks the invitation as reminded and writes the
    email. The emails wait for a worker or ``deliver_due``.

    Returns how many reminders were queued, and 0 if the setting is ``None``.
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
        for invitation in limits.with_room(old, InvitationEmail.Kind.REMINDER):
            reminded += in_transaction(partial(_remind, invitation, now, rested, written))
    on_commit(lambda: hand_over(written, now))
    return reminded


def _is_half_over(invitation: InvitationKey, now: datetime) -> bool:
    """Return whether the time since the last email is longer than the time that is left.

    Otherwise the reminder of an invitation for two days would follow at once.
    """
    mailed, end = invitation.mail_requested_at, invitation.expires_at
    return mailed is not None and end is not None and has_passed(mailed, now - (end - now), now)


def _remind(invitation: InvitationKey, now: datetime, rested: datetime, written: list[int]) -> bool:
    if not InvitationKey.objects.note_reminder(invitation.pk, now, rested):
        return False
    # Lock the invitation's row before any counter of emails, as all other code does.
    kind = InvitationEmail.Kind.REMINDER
    if queue_mail(invitation, kind, now=now, not_before=now, written=written):
        return True
    # The limit of emails for today is reached. Undo the mark, so that the next run tries again.
    roll_back()
    return False
