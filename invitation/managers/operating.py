"""Let staff queue mails again, stop them, and open the way out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from invitation.moments import has_passed
from invitation.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import DeliveryPause, InvitationEmail

    Mails = models.Manager[InvitationEmail]
    Pauses = models.Manager[DeliveryPause]
else:
    Mails = Pauses = object


class MailOperatingMixin(Mails):
    """Change mails for staff; call these inside a transaction."""

    LEASE: timedelta

    def lock(self, pks: Collection[int]) -> None:
        """Lock these rows, so that what is found out about them holds until the commit."""
        lock_in_order(self.filter(pk__in=pks), "lease_until")

    def retry(self, pks: Collection[int], now: datetime) -> list[InvitationEmail]:
        """Queue those again that failed, were stopped or left behind, and return them.

        Not those whose recipient wants none.
        """
        state = self.model.State
        # Of several to one person for one invitation, the latest stands for all.
        live = Q(state__in=(state.QUEUED, state.SENDING, state.SENT))
        newer = self.filter(live | Q(pk__in=pks), pk__gt=OuterRef("pk"), kind=OuterRef("kind"))
        newer = newer.filter(invitation=OuterRef("invitation"))
        pks = list(self.filter(~Exists(newer), pk__in=pks).values_list("pk", flat=True))
        changes: dict[str, Any] = {"state": state.QUEUED, "failure": "", "attempts": 0}
        changes["unconfirmed"] = 0
        # Asked for anew; only of news it is kept, since it says of what they tell.
        news = When(kind=self.model.Kind.EXPIRED, then=F("created_at"))
        changes |= {"not_before": now, "created_at": Case(news, default=Value(now))}
        changes["lease_until"] = None
        return self._change(pks, (state.FAILED, state.CANCELLED), changes, now)

    def cancel(self, pks: Collection[int], now: datetime) -> list[InvitationEmail]:
        """Stop those that wait, and return them; not those that somebody is sending."""
        state = self.model.State
        changes = {"state": state.CANCELLED, "failure": "", "lease_until": None}
        return self._change(pks, (state.QUEUED,), changes, now)

    def _change(
        self, pks: Collection[int], states: Collection[str], changes: dict[str, Any], now: datetime
    ) -> list[InvitationEmail]:
        """Change those in these states, and those that a sender has left behind."""
        self.lock(pks)
        # A locking read sees what others have committed, also where this transaction has read.
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
    """Let staff try the way out."""

    def end_waiting(self, now: datetime) -> bool:
        """Let the next sender try at once; tell whether any would have waited."""
        return bool(self.filter(failures__gt=0, until__gt=now).update(until=now))
