"""Manager methods for staff: queue emails again, cancel them, and end the wait of a pause."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from invitation.models.moments import has_passed
from invitation.models.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import DeliveryPause, InvitationEmail

    Mails = models.Manager[InvitationEmail]
    Pauses = models.Manager[DeliveryPause]
else:
    Mails = Pauses = object


class MailOperatingMixin(Mails):
    """Methods that change emails for staff; call them inside a transaction."""

    LEASE: timedelta

    def lock(self, pks: Collection[int]) -> None:
        """Lock these rows, so that what is read of them stays true until the commit."""
        lock_in_order(self.filter(pk__in=pks), "lease_until")

    def retry(self, pks: Collection[int], now: datetime) -> list[InvitationEmail]:
        """Queue those again that failed, were cancelled or left behind, and return them.

        Suppressed emails are left out, because their recipients want none.
        """
        state = self.model.State
        # Leave out an email if a newer one of its kind and invitation is live or is queued here.
        live = Q(state__in=(state.QUEUED, state.SENDING, state.SENT))
        newer = self.filter(live | Q(pk__in=pks), pk__gt=OuterRef("pk"), kind=OuterRef("kind"))
        newer = newer.filter(invitation=OuterRef("invitation"))
        pks = list(self.filter(~Exists(newer), pk__in=pks).values_list("pk", flat=True))
        changes: dict[str, Any] = {"state": state.QUEUED, "failure": "", "attempts": 0}
        changes["unconfirmed"] = 0
        # A new request has a new time. Emails about expired invitations keep theirs, because it
        # says which invitations they name.
        news = When(kind=self.model.Kind.EXPIRED, then=F("created_at"))
        changes |= {"not_before": now, "created_at": Case(news, default=Value(now))}
        changes["lease_until"] = None
        return self._change(pks, (state.FAILED, state.CANCELLED), changes, now)

    def cancel(self, pks: Collection[int], now: datetime) -> list[InvitationEmail]:
        """Cancel the emails that wait, and return them; leave out those that are being sent."""
        state = self.model.State
        changes = {"state": state.CANCELLED, "failure": "", "lease_until": None}
        return self._change(pks, (state.QUEUED,), changes, now)

    def _change(
        self, pks: Collection[int], states: Collection[str], changes: dict[str, Any], now: datetime
    ) -> list[InvitationEmail]:
        """Change and return the emails in these states, and those that a sender has left behind."""
        self.lock(pks)
        # A locking read sees what others have committed, even if this transaction has read before.
        locked = self.select_for_update().filter(pk__in=pks)
        found = [
            pk
            for pk, state, until in locked.values_list("pk", "state", "lease_until")
            if state in states or self._is_left_behind(state, until, now)
        ]
        self.filter(pk__in=found).update(**changes)
        return list(
            self.select_related("invitation__from_user").filter(pk__in=found).order_by("pk")
        )

    def _is_left_behind(self, state: str, lease_until: datetime | None, now: datetime) -> bool:
        if state != self.model.State.SENDING or lease_until is None:
            return False
        return has_passed(lease_until, now, now, self.LEASE)


class PauseOperatingMixin(Pauses):
    """Method for staff that ends the wait of a pause."""

    def end_waiting(self, now: datetime) -> bool:
        """Let the next sender try at once; return whether any sender would have waited."""
        return bool(self.filter(failures__gt=0, until__gt=now).update(until=now))
