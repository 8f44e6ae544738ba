"""Take out of rows that have ended whom they were for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from invitation.moments import latest
from invitation.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import InvitationEmail, InvitationKey

    Invitations = models.Manager[InvitationKey]
    Mails = models.Manager[InvitationEmail]
else:
    Invitations = Mails = object


class KeyForgettingMixin(Invitations):
    """Forget people; call it inside a transaction."""

    def forget(
        self, pks: Collection[int], now: datetime, before: datetime | None = None
    ) -> list[int]:
        """Blank what names somebody in those of these that ended, by then; return their ids.

        What the site itself keeps with an invitation goes, too: nobody here knows what that is.
        """
        lock_in_order(self.filter(pk__in=pks), "ended_at")
        # A locking read sees what others have committed, also where this transaction has read.
        locked = self.select_for_update().filter(pk__in=pks, forgotten_at=None)
        found = [
            pk
            for pk, status, ended_at, expires_at in locked.values_list(
                "pk", "status", "ended_at", "expires_at"
            )
            if status != self.model.Status.PENDING
            and (before is None or _had_ended(ended_at, expires_at, before, now))
        ]
        self.filter(pk__in=found).update(
            email="",
            email_key="",
            recipient_name="",
            note="",
            label="",
            data={},
            forgotten_at=now,
        )
        return found


def _had_ended(
    ended_at: datetime | None, expires_at: datetime | None, before: datetime, now: datetime
) -> bool:
    """Tell of one row what ``querysets.ended_by`` asks of many."""
    if ended_at is not None and ended_at > latest(now):
        return expires_at is not None and expires_at <= before
    return ended_at is not None and ended_at <= before


class MailForgettingMixin(Mails):
    """Forget what mails say of people; call it inside a transaction."""

    def forget(self, invitations: Collection[int]) -> list[InvitationEmail]:
        """Blank what the mails of these invitations say, and return those that it stops.

        One that somebody is sending counts as stopped, too: whatever becomes of it, nothing more is
        written about it.
        """
        state = self.model.State
        of = self.filter(invitation__in=invitations)
        lock_in_order(of, "lease_until")
        locked = self.select_for_update().filter(invitation__in=invitations)
        unsettled = (state.QUEUED, state.SENDING)
        # News of what has expired tell of others, too, and no more of who is forgotten.
        news = Q(kind=self.model.Kind.EXPIRED, state__in=unsettled)
        locked = locked.exclude(news)
        stopped = [pk for pk, now in locked.values_list("pk", "state") if now in unsettled]
        self.filter(pk__in=stopped).update(state=state.CANCELLED, lease_until=None, failure="")
        of.filter(news).exclude(last_error="").update(last_error="")
        rest = of.exclude(news).exclude(last_error="", message_id="")
        rest.update(last_error="", message_id="")
        return list(self.select_related("invitation__from_user").filter(pk__in=stopped))
