"""Let staff queue mails again, stop them, and open the way out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from invitation.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import DeliveryPause, InvitationEmail

    Mails = models.Manager[InvitationEmail]
    Pauses = models.Manager[DeliveryPause]
else:
    Mails = Pauses = object


class MailOperatingMixin(Mails):
    """Change mails for staff; call these inside a transaction."""

    def lock(self, pks: Collection[int]) -> None:
        """Lock these rows, so that what is found out about them holds until the commit."""
        lock_in_order(self.filter(pk__in=pks), "lease_until")

    def retry(self, pks: Collection[int], now: datetime) -> list[InvitationEmail]:
        """Queue those again that have failed or were stopped, and return them.

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
        return self._change(pks, (state.FAILED, state.CANCELLED), {**changes, "lease_until": None})

    def cancel(self, pks: Collection[int]) -> list[InvitationEmail]:
        """Stop those that wait, and return them; not those that somebody is sending."""
        state = self.model.State
        return self._change(pks, (state.QUEUED,), {"state": state.CANCELLED, "failure": ""})

    def _change(
        self, pks: Collection[int], states: Collection[str], changes: dict[str, Any]
    ) -> list[InvitationEmail]:
        self.lock(pks)
        # A locking read sees what others have committed, also where this transaction has read.
        locked = self.select_for_update().filter(pk__in=pks).values_list("pk", "state")
        found = [pk for pk, state in locked if state in states]
        self.filter(pk__in=found).update(**changes)
        return list(
            self.select_related("invitation__from_user").filter(pk__in=found).order_by("pk")
        )


class PauseOperatingMixin(Pauses):
    """Let staff try the way out."""

    def end_waiting(self, now: datetime) -> bool:
        """Let the next sender try at once; tell whether any would have waited."""
        return bool(self.filter(failures__gt=0, until__gt=now).update(until=now))
