"""Functions that write invitation emails into the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.utils import timezone

from invitation.conf import conf
from invitation.delivery import wording
from invitation.delivery.base import get_delivery
from invitation.exceptions import MailTooSoon
from invitation.flows.after_commit import on_commit
from invitation.flows.mail import limits
from invitation.flows.mail.sending import IN_PROCESS_SECONDS, deliver, deliver_rows
from invitation.models import InvitationEmail, InvitationKey, managers
from invitation.models.managers import write_new

#: Most emails of a list that are sent at once; more wait for ``sendinvitations``.
MOST_AT_ONCE = 10


def ask_for_mail(invitation: InvitationKey, *, written: list[int] | None = None) -> bool:
    """Queue an email unless one was requested within the cool-down; return whether it is queued.

    An email that waits for its next try is tried again at once. The cool-down does not apply to it,
    and it does not count for a limit a second time. Raises ``MailLimitReached`` for a new email.

    With ``written``, this function does not send the email. The caller gets its primary key in
    ``written`` after the commit (see ``send_together``).
    """
    now = timezone.now()
    rested = InvitationKey.objects.request_mail(invitation.pk, now, conf.INVITATION_RESEND_COOLDOWN)
    if InvitationEmail.objects.requeue(invitation, now, failed=rested):
        own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
        waiting = (InvitationEmail.objects.due(now) & own).values_list("pk", flat=True)
        let_go = _let_go if written is None else written.extend
        on_commit(lambda: let_go(list(waiting)))
        return True
    own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
    if rested and own.filter(state=InvitationEmail.State.SENDING).exists():
        return False  # A sender has it: a second email would be a duplicate.
    if rested:
        queue(invitation, written=written)
    return rested


def too_soon(invitation: InvitationKey) -> MailTooSoon:
    """Return the ``MailTooSoon`` error that says when the next email can be requested."""
    own = InvitationEmail.objects.of_invitations().filter(invitation=invitation)
    if own.filter(state=InvitationEmail.State.SENDING).exists():
        return MailTooSoon()
    asked = InvitationKey.objects.values_list("mail_requested_at", flat=True)
    moment = asked.filter(pk=invitation.pk).first()
    if moment is None:  # deleted in the meantime
        return MailTooSoon()
    moment = wording.moment_for_reader(moment + conf.INVITATION_RESEND_COOLDOWN)
    return MailTooSoon(MailTooSoon.until_message, params={"moment": moment})


def queue(
    invitation: InvitationKey,
    kind: InvitationEmail.Kind = InvitationEmail.Kind.INVITATION,
    *,
    now: datetime | None = None,
    not_before: datetime | None = None,
    written: list[int] | None = None,
    is_new: bool = False,
) -> bool:
    """Write an email into the outbox; return whether it was written.

    If the delivery sends at once, this process already holds the lease of the row. With
    ``not_before`` the email waits until that moment, for a worker or ``sendinvitations``. With
    ``written`` it waits, too: the caller gets its primary key there after the commit, and has to
    hand it over. ``is_new`` says that this transaction has made the invitation.

    Raises ``MailLimitReached`` for an invitation if the limit of 24 hours is reached. An email of
    another kind is then not written. Call it inside the transaction of the change that the email is
    about, after all other locks of that transaction.
    """
    wanted = kind == InvitationEmail.Kind.INVITATION
    if not wanted and not limits.has_counted(invitation, kind):
        return False
    now = now or timezone.now()
    mail = InvitationEmail(
        invitation=invitation,
        kind=kind,
        not_before=not_before or now,
        created_at=now,
    )
    immediate = get_delivery().immediate and not_before is None and written is None
    if immediate:
        mail.state = InvitationEmail.State.SENDING
        mail.attempts, mail.tried_at = 1, now
        mail.lease_until = now + InvitationEmail.objects.LEASE
    write_new(mail)
    if wanted:
        # After all else, because others wait for the counters until the commit.
        limits.count(limits.wanted_for(invitation, kind))
    # Robust: if sending fails, the invitation stays and the member's request goes on. Django logs
    # the error. The lease ends, and the next try follows.
    if immediate:
        on_commit(lambda: deliver(mail, is_new=is_new))
    elif written is not None:  # the caller hands over all of them at once
        on_commit(lambda: written.append(mail.pk))
    else:
        on_commit(lambda: hand_over([mail.pk], not_before))
    return True


def hand_over(pks: Sequence[int], not_before: datetime | None) -> None:
    """Hand these rows to the delivery, unless it sends at once in this process."""
    delivery = get_delivery()
    if pks and not delivery.immediate:
        delivery.hand_over(pks, not_before)


@contextmanager
def send_together() -> Iterator[list[int]]:
    """Collect the emails of several actions in one request: ``with flows.together() as written:``.

    The emails are sent after the commit, in the time of one request. If the delivery sends at once,
    up to ``MOST_AT_ONCE`` emails leave then. More than that wait for ``sendinvitations``.
    """
    written: list[int] = []
    try:
        yield written
    finally:
        # Also after an error: what was committed before stays.
        on_commit(lambda: _let_go_few(written))


def queue_many(pks: Sequence[int], taken: limits.Room) -> None:
    """Write the outbox rows of many invitations of one site, in few statements.

    If the delivery sends at once, up to ``MOST_AT_ONCE`` emails are sent after the commit. More
    than that wait for ``sendinvitations``, because a request must not take the time of a thousand
    emails. ``taken`` is the room that they take. Raises ``MailLimitReached``, as ``queue`` does, if
    another email has taken it since. After it, a transaction must not lock any other row.
    """
    now = timezone.now()
    managers.insert_like(InvitationEmail(not_before=now, created_at=now), {"invitation_id": pks})
    # After all else, because others wait for the counters until the commit.
    limits.count(taken)
    if len(pks) <= MOST_AT_ONCE or not get_delivery().immediate:
        on_commit(lambda: _let_go(_mails_of(pks, now)))


def _mails_of(invitations: Sequence[int], created_at: datetime) -> list[int]:
    """Return the primary keys of emails that were written together, in their order."""
    of = set(invitations)
    written = InvitationEmail.objects.filter(
        created_at=created_at, invitation__gte=min(of), invitation__lte=max(of)
    )
    found = written.order_by("pk").values_list("pk", "invitation_id")
    return [pk for pk, invitation in found if invitation in of]


def _let_go_few(pks: list[int]) -> None:
    """Send these rows if they are few, or hand them to the delivery."""
    if 0 < len(pks) <= MOST_AT_ONCE or (pks and not get_delivery().immediate):
        _let_go(pks)


def _let_go(pks: list[int]) -> None:
    """Send these rows, or hand them to the delivery."""
    delivery = get_delivery()
    if delivery.immediate:
        deliver_rows(pks, IN_PROCESS_SECONDS)
    else:
        delivery.hand_over(pks)


def waiting_mails() -> tuple[int, datetime | None]:
    """Return how many emails still wait, and when the first of them may be tried."""
    return InvitationEmail.objects.waiting(timezone.now())
