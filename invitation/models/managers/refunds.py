"""Manager methods that give back what invitations cost."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from invitation.models.managers.batches import insert_or_update
from invitation.models.querysets import locked

if TYPE_CHECKING:
    from invitation.models import InvitationQuota

    Quotas = models.Manager[InvitationQuota]
else:
    Quotas = object

#: Reason of ledger entries that name an invitation but are not part of its price.
REWARD = "reward"


class Held(NamedTuple):
    """Amount that an invitation may give back to its inviter's quota."""

    invitation: int
    inviter: int
    amount: int
    #: When it was made. It tells the period of the payment if the ledger does not.
    made: datetime

    @classmethod
    def by(cls, row: Any) -> Held:
        """Return what an invitation gives back if it ends now, from its row or its columns."""
        amount = row.quota_held if row.uses == 0 else 0
        if row.shared and row.max_uses is not None:
            amount = min(row.quota_held, row.max_uses - row.uses)
        return cls(row.pk, row.from_user_id, amount, row.date_invited)


class RefundingMixin(Quotas):
    """Methods that change the quotas of many members; call them inside a transaction."""

    def lock_for_refund(self, inviters: Collection[Any], *, free: bool = False) -> list[Any]:
        """Lock these members' quotas, with ``free`` only those that are free; return their rows."""
        rows = self.filter(inviter_id__in=inviters)
        names = ("pk", "inviter_id", "spent", "period_start")
        return locked(rows, "spent", *names, skip_locked=free)

    def refund(self, held: Collection[Held], rows: Collection[Any] | None = None) -> list[Held]:
        """Give back what invitations held; lock the quotas, and return what came back.

        What was spent in a past period comes back with the new period, and not twice. ``rows`` are
        the quotas if they are locked already.
        """
        if rows is None:
            rows = self.lock_for_refund({one.inviter for one in held})
        begun = {row.inviter_id: row.period_start for row in rows}
        spent: dict[int, int] = {row.inviter_id: row.spent for row in rows}
        paid = self._paid_in_period(held) if any(begun.values()) else {}
        given: list[Held] = []
        for one in held:
            amount, period = min(one.amount, spent.get(one.inviter, 0)), begun.get(one.inviter)
            if amount and period:
                unknown = amount if one.made >= period else 0
                amount = min(amount, paid.get(one.invitation, unknown))
            if amount:
                spent[one.inviter] -= amount
                given.append(one if amount == one.amount else one._replace(amount=amount))
        # Each of these rows is there and locked. So this is an update, with one value for each row.
        # By primary key: on MariaDB, spending locks the index of inviters, then waits for the row.
        changed = {one.inviter for one in given}
        changing = ((row.pk, row.inviter_id) for row in rows if row.inviter_id in changed)
        new = [self.model(pk=pk, inviter_id=user, spent=spent[user]) for pk, user in changing]
        insert_or_update(new, "id", ["spent"])
        return given

    def _paid_in_period(self, held: Collection[Held]) -> dict[int, int]:
        """Return what each of these cost since its inviter's period began.

        Invitations without a ledger entry are left out.
        """
        entries: Any = self.model._meta.apps.get_model("invitation", "QuotaEntry").objects
        since = Q(created_at__gte=F("inviter__invitation_quota__period_start"))
        # The inviters' entries have an index.
        known = entries.filter(
            inviter_id__in={one.inviter for one in held},
            invitation_id__in=[one.invitation for one in held],
        )
        known = known.exclude(reason=REWARD)
        sums = known.values_list("invitation_id").annotate(
            sum=Coalesce(models.Sum("change", filter=since), 0)
        )
        return {invitation: max(0, -change) for invitation, change in sums.order_by()}
