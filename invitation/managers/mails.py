"""Lead mails through the outbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from invitation.managers.forgetting import MailForgettingMixin
from invitation.managers.operating import MailOperatingMixin, PauseOperatingMixin
from invitation.querysets import holds

if TYPE_CHECKING:
    from invitation.models import (  # noqa: F401 (one is named in a text)
        DeliveryPause,
        InvitationEmail,
        InvitationKey,
    )


class InvitationEmailManager(
    MailOperatingMixin, MailForgettingMixin, models.Manager["InvitationEmail"]
):
    """Lead a mail through the states of the outbox.

    A sender holds a row by a lease: the state ``sending``, a time until which it holds, and
    the number of the attempt. Who finishes an attempt names both, so that a sender whose lease
    ran out cannot write over the one that came after it, not even after ``requeue``.
    """

    #: How long a sender may be busy with one mail before another one may try.
    LEASE = timedelta(minutes=5)

    def of_invitations(self) -> models.QuerySet[InvitationEmail]:
        """Keep the mails to the invited, without those to their inviters."""
        return self.filter(kind=self.model.Kind.INVITATION)

    def sent_to(self, email_key: str, message_id: str = "") -> InvitationEmail | None:
        """Return the mail to an invited person that somebody tells us about, or ``None``.

        That with this Message-ID, in angle brackets or not, whatever has become of it; else the
        latest one that was sent to this address, in the form of ``addresses.canonical``.
        """
        kinds = (self.model.Kind.INVITATION, self.model.Kind.REMINDER)
        rows = self.select_related("invitation__from_user").order_by("-pk")
        rows = rows.filter(invitation__email_key=email_key, kind__in=kinds)
        bare = message_id.replace("\0", "").strip().strip("<>")
        named = rows.filter(message_id__in=(bare, f"<{bare}>")).first() if bare else None
        return named or rows.filter(state=self.model.State.SENT).first()

    def mark_bounced(self, mail: InvitationEmail, details: str) -> bool:
        """Note that a mail has come back that was sent; tell whether it was.

        Perhaps before its sender could note that it was sent, who then finds it settled.
        """
        state = self.model.State
        left = Q(holds("state", state.SENT)) | Q(holds("state", state.SENDING))
        changes = {"state": state.FAILED, "failure": self.model.Failure.BOUNCED}
        changed = self.filter(left, pk=mail.pk).update(
            **changes, last_error=details, lease_until=None
        )
        return changed == 1

    def due(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Keep what waits to be sent, and what a sender left behind."""
        state = self.model.State
        waiting = Q(state=state.QUEUED, not_before__lte=now)
        left_behind = Q(state=state.SENDING, lease_until__lte=now)
        return self.filter(waiting | left_behind)

    def waiting(self) -> tuple[int, datetime | None]:
        """Return how many mails have still to go, and when the first of them may be tried."""
        state = self.model.State
        unsent = self.filter(state__in=(state.QUEUED, state.SENDING))
        first = models.Min(Coalesce("lease_until", "not_before"))
        found = unsent.aggregate(count=models.Count("pk"), first=first)
        return found["count"], found["first"]

    def lease(self, pk: int, now: datetime) -> InvitationEmail | None:
        """Take a due row for one attempt and return it, or ``None`` if somebody else has it."""
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED), not_before__lte=now)
        left_behind = Q(holds("state", state.SENDING), lease_until__lte=now)
        changed = self.filter(waiting | left_behind, pk=pk).update(
            state=state.SENDING, lease_until=now + self.LEASE, attempts=F("attempts") + 1
        )
        if not changed:
            return None
        # None again if cleanup has deleted it in this very moment.
        return self.select_related("invitation__from_user").filter(pk=pk).first()

    def requeue(self, invitation: InvitationKey, now: datetime, *, failed: bool = True) -> bool:
        """Queue the unsent mail of an invitation again, at once; tell whether there was one.

        That to the invited person: one to the inviter is another matter, and waits for its turn.
        ``failed`` says whether also one that was given up, as by a server that refused it.
        """
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED))
        if failed:
            waiting |= Q(holds("state", state.FAILED))
        left_behind = Q(holds("state", state.SENDING), lease_until__lte=now)
        unsent = self.of_invitations().filter(waiting | left_behind, invitation=invitation)
        changes = {"state": state.QUEUED, "lease_until": None, "not_before": now, "attempts": 0}
        return bool(unsent.update(**changes, failure=""))

    def mark_sent(self, mail: InvitationEmail, now: datetime) -> bool:
        """Note that the mail server has taken the mail."""
        return self._finish(
            mail, state=self.model.State.SENT, sent_at=now, last_error="", failure=""
        )

    def mark_queued(self, mail: InvitationEmail, reason: str, not_before: datetime) -> bool:
        """Note why the attempt failed and when to try again."""
        state = self.model.State.QUEUED
        return self._finish(mail, state=state, last_error=reason, not_before=not_before)

    def mark_ended(self, mail: InvitationEmail, state: str, failure: str, details: str) -> bool:
        """Note that the mail will not be tried again, and why; tell whether it was still held."""
        return self._finish(mail, state=state, failure=failure, last_error=details)

    def _finish(self, mail: InvitationEmail, **changes: Any) -> bool:
        held = self.filter(holds("state", self.model.State.SENDING), pk=mail.pk)
        held = held.filter(attempts=mail.attempts, lease_until=mail.lease_until)
        return held.update(lease_until=None, **changes) == 1


class DeliveryPauseManager(PauseOperatingMixin, models.Manager["DeliveryPause"]):
    """Close and open the way out of the house, exactly once each."""
