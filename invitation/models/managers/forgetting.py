"""Manager methods that erase the person from rows that have ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from invitation.models.moments import latest
from invitation.models.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import InvitationEmail, InvitationKey

    Invitations = models.Manager[InvitationKey]
    Mails = models.Manager[InvitationEmail]
else:
    Invitations = Mails = object


class KeyForgettingMixin(Invitations):
    """Methods that forget the people of invitations; call them inside a transaction."""

    def forget(
        self, pks: Collection[int], now: datetime, before: datetime | None = None
    ) -> list[int]:
        """Erase the personal data of those of these invitations that have ended; return their ids.

        With ``before``, only those that ended by then. The site's own data of an invitation is
        erased, too. This package does not know what it contains.
        """
        lock_in_order(self.filter(pk__in=pks), "ended_at")
        # A locking read sees what others have committed, even if this transaction has read before.
        locked = self.select_for_update().filter(pk__in=pks, forgotten_at=None)
        found = [
            pk
            for pk, status, ended_at, expires_at in locked.values_list(
                "pk", "status", "ended_at", "expires_at"
            )
            if status != self.model.Status.PENDING
            and (before is None or had_ended(ended_at, expires_at, before, now))
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


def had_ended(
    ended_at: datetime | None, expires_at: datetime | None, before: datetime, now: datetime
) -> bool:
    """Return whether one row had ended by then, as ``querysets.ended_by`` does for many."""
    if ended_at is not None and ended_at > latest(now):
        return expires_at is not None and expires_at <= before
    return ended_at is not None and ended_at <= before


class MailForgettingMixin(Mails):
    """Methods that forget what emails say of people; call them inside a transaction."""

    def forget(self, invitations: Collection[int]) -> list[InvitationEmail]:
        """Erase what the emails of these invitations say; return the emails that this cancels.

        An email that is being sent counts as cancelled, too: its sender records nothing more about
        it.
        """
        state = self.model.State
        of = self.filter(invitation__in=invitations)
        lock_in_order(of, "lease_until")
        locked = self.select_for_update().filter(invitation__in=invitations)
        unsettled = (state.QUEUED, state.SENDING)
        # Emails about expired invitations also name other people, and leave out those who are
        # forgotten.
        news = Q(kind=self.model.Kind.EXPIRED, state__in=unsettled)
        locked = locked.exclude(news)
        stopped = [pk for pk, now in locked.values_list("pk", "state") if now in unsettled]
        self.filter(pk__in=stopped).update(state=state.CANCELLED, lease_until=None, failure="")
        of.filter(news).exclude(last_error="").update(last_error="")
        rest = of.exclude(news).exclude(last_error="", message_id=None)
        rest.update(last_error="", message_id=None)
        return list(self.select_related("invitation__from_user").filter(pk__in=stopped))
