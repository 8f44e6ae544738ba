"""Manager for the outbox: it moves emails through their states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from invitation.models.managers.forgetting import MailForgettingMixin
from invitation.models.managers.fresh import MailFreshMixin
from invitation.models.managers.leases import MailLeasesMixin, by_lease
from invitation.models.managers.outcomes import MailOutcomesMixin, note
from invitation.models.managers.retries import MailOperatingMixin
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest, passed
from invitation.models.querysets import holds
from invitation.models.statements import Update

if TYPE_CHECKING:
    from invitation.models import InvitationEmail, InvitationKey


def _changes_of_sent(
    rows: Any, now: Any, failure: Any, details: Any, attempts: Any, tried_at: Any
) -> dict[str, Any]:
    """Return what changes in the row of an email that was sent."""
    return {
        "state": rows.model.State.SENT,
        "sent_at": now,
        "failure": failure,
        "last_error": details,
        "attempts": attempts,
        "tried_at": tried_at,
        "lease_until": None,
    }


def _marking_sent(rows: Any, pk: Any, until: Any, **values: Any) -> tuple[Any, dict[str, Any]]:
    """Return an email if its lease ends then, and what changes in it when it was sent."""
    return rows.filter(pk=pk, lease_until=until), _changes_of_sent(rows, **values)


MARKING_SENT = Update(
    _marking_sent,
    pk=models.BigIntegerField(),
    until=models.DateTimeField(),
    now=models.DateTimeField(),
    failure=models.CharField(),
    details=models.TextField(),
    attempts=models.IntegerField(),
    tried_at=models.DateTimeField(),
)


class InvitationEmailManager(
    MailLeasesMixin,
    MailFreshMixin,
    MailOutcomesMixin,
    MailOperatingMixin,
    MailForgettingMixin,
    WriterManager["InvitationEmail"],
):
    """Manager that moves an email through the states of the outbox."""

    def of_invitations(self) -> models.QuerySet[InvitationEmail]:
        """Return the invitation emails, without reminders and without emails to inviters."""
        return self.filter(kind=self.model.Kind.INVITATION)

    def ahead(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Return the unsent emails whose next try or lease is too far ahead to be true."""
        state = self.model.State
        queued = Q(state=state.QUEUED, not_before__gt=latest(now, self.WAIT))
        return self.filter(queued | Q(state=state.SENDING, lease_until__gt=latest(now, self.LEASE)))

    def waiting(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many emails still wait, and when the first of them may be tried."""
        state = self.model.State
        unsent = self.filter(state__in=(state.QUEUED, state.SENDING))
        first = models.Min(Coalesce("lease_until", "not_before"))
        found = unsent.aggregate(count=models.Count("pk"), first=first)
        first_try: datetime | None = found["first"]
        if first_try is not None and first_try > latest(now, self.WAIT):
            first_try = now
        return found["count"], first_try

    def requeue(self, invitation: InvitationKey, now: datetime, *, failed: bool = True) -> bool:
        """Queue the unsent email of an invitation again, at once; return whether there was one.

        Only the email to the invited person is queued, not one to the inviter. ``failed`` includes
        an email that has failed, for example because a server refused it.
        """
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED))
        if failed:
            # Not an email that was sent and bounced: a new one counts for the limits.
            waiting |= Q(holds("state", state.FAILED), sent_at=None)
        left_behind = passed("lease_until", now, now, self.LEASE)
        left_behind &= Q(holds("state", state.SENDING))
        unsent = self.of_invitations().filter(waiting | left_behind, invitation=invitation)
        changes = {"state": state.QUEUED, "lease_until": None, "not_before": now, "attempts": 0}
        return bool(unsent.update(**changes, failure=""))

    def mark_sent(
        self,
        mails: Sequence[InvitationEmail],
        now: datetime,
        failure: str = "",
        details: str = "",
    ) -> list[InvitationEmail]:
        """Record that the mail server has taken these emails, or why that is only probable.

        Returns those of them that were still held. Emails of one lease take one statement.
        """
        recorded: list[InvitationEmail] = []
        for until, group in by_lease(mails).items():
            rows = self.filter(pk__in=[mail.pk for mail in group])
            values = {"now": now, "failure": failure, "details": details}
            values |= {"attempts": group[0].attempts, "tried_at": group[-1].tried_at}
            changes = _changes_of_sent(self, **values)
            if len(group) == 1:
                changed = MARKING_SENT.run(self, pk=group[0].pk, until=until, **values)
            else:
                changed = rows.filter(lease_until=until).update(**changes)
            if changed < len(group):
                # Somebody else has settled one of them by now, such as a report of its bounce.
                ours = set(rows.filter(sent_at=now).values_list("pk", flat=True))
                group = [mail for mail in group if mail.pk in ours]
            for mail in group:
                note(mail, changes)
            recorded += group
        return recorded

    def mark_queued(
        self,
        mail: InvitationEmail,
        reason: str,
        not_before: datetime,
        *,
        unconfirmed: bool = False,
        of_recipient: bool = False,
    ) -> bool:
        """Record why the attempt failed and when to try again.

        ``unconfirmed`` counts an attempt without a known result. ``of_recipient`` records that the
        failure shows nothing about other emails.
        """
        state, known = self.model.State.QUEUED, mail.unconfirmed
        return self._finish(
            mail,
            state=state,
            last_error=reason,
            not_before=not_before,
            failure=mail.failure,
            unconfirmed=known + 1 if unconfirmed else known,
            of_recipient=of_recipient,
        )

    def mark_untried(
        self, mail: InvitationEmail, reason: str = "", not_before: datetime | None = None
    ) -> bool:
        """Release a row whose attempt does not count, because the email did not cause the failure.

        With ``not_before``, emails that are due before that moment come first.
        """
        state = self.model.State.QUEUED
        kept: dict[str, Any] = {"last_error": reason} if reason else {}
        kept |= {"not_before": not_before} if not_before else {}
        return self._finish(mail, state=state, attempts=mail.attempts - 1, **kept)

    def mark_ended(
        self,
        mail: InvitationEmail,
        state: str,
        failure: str,
        details: str,
        *,
        of_recipient: bool = False,
    ) -> bool:
        """Record that the email will not be tried again; return whether it was still held."""
        changes = {"state": state, "failure": failure, "of_recipient": of_recipient}
        return self._finish(mail, last_error=details, **changes)

    def _finish(self, mail: InvitationEmail, **changes: Any) -> bool:
        """Change and release a row and update ``mail``; return whether the row was still ours."""
        own = {"attempts": mail.attempts, "tried_at": mail.tried_at, "lease_until": None}
        changes = own | changes
        if not self._held(mail).update(**changes):
            return False
        note(mail, changes)
        return True
