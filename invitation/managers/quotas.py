"""Count what members spend, and write the ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections, models, transaction
from django.db.models import Case, Exists, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual

from invitation.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import (  # noqa: F401 (some are named in a text)
        InvitationKey,
        InvitationQuota,
        QuotaEntry,
        ThrottleCounter,
    )


@dataclass(frozen=True)
class Held:
    """Say what an invitation may give back to its inviter's quota."""

    invitation: int
    inviter: int
    amount: int
    #: When it was made: what was spent in a period that is over is not given back.
    made: datetime


class InvitationQuotaManager(models.Manager["InvitationQuota"]):
    """Count what members spend, exactly, whatever happens at the same time."""

    def hold(self, user: Any) -> None:
        """Make sure that a member has a row, and lock it until the end of the transaction.

        It is written in any case, for the lock: of those who find it there already, MariaDB would
        give each a shared one, and none of them the exclusive one that he asks for next.
        """
        features = connections[self.db].features
        self.bulk_create(
            [self.model(inviter=user)],
            update_conflicts=True,
            update_fields=["inviter"],
            unique_fields=["inviter"] if features.supports_update_conflicts_with_target else None,
        )

    def spend(
        self, user: Any, limit: int | None, amount: int = 1, *, unless: Q | Exists | None = None
    ) -> bool:
        """Spend from a member's quota if it suffices; tell whether it did. ``hold`` it before.

        ``limit`` is what the site allows him, ``None`` for no limit; what was granted to him
        comes on top. Nothing is ever decided by counting rows. Nothing is spent if the
        condition ``unless`` holds once his other spendings are through.
        """
        rows = self.filter(inviter=user) if unless is None else self.filter(~unless, inviter=user)
        if limit is not None:
            # Sums alone: MySQL's unsigned columns make an error of a difference below zero.
            enough = LessThanOrEqual(F("spent") + amount, F("granted") + max(limit, 0))
            rows = rows.filter(Q(unlimited=True) | enough)
        return rows.update(spent=F("spent") + amount) == 1

    def refill(self, user: Any, limit: int, period: timedelta, now: datetime) -> int:
        """Begin a new period if the last one is over; return what that gives back.

        What was spent beyond the site's limit was taken from the grants, which do not come again.
        """
        row = self.select_for_update().get(inviter=user)
        if not row.is_over(period, now):
            return 0
        regained = row.refillable(limit)
        granted = row.granted - (row.spent - regained)
        self.filter(pk=row.pk).update(granted=granted, spent=0, period_start=now)
        return regained

    def lock(self, inviters: Collection[int]) -> None:
        """Lock the quotas of these members, before a refund to several."""
        lock_in_order(self.filter(inviter_id__in=inviters), "spent")

    def refund(self, held: Collection[Held]) -> list[Held]:
        """Give back what invitations held, and return what came back; ``lock`` the quotas before.

        What was spent in a period that is over comes back with the next one and not twice.
        """
        inviters = {one.inviter for one in held}
        rows = self.filter(inviter_id__in=inviters)
        quotas: dict[int, InvitationQuota] = {row.inviter_id: row for row in rows}
        given: list[Held] = []
        for one in held:
            quota = quotas.get(one.inviter)
            if quota is None or (quota.period_start and one.made < quota.period_start):
                continue
            amount = min(one.amount, quota.spent)
            quota.spent -= amount
            if amount:
                given.append(replace(one, amount=amount))
        changed = {one.inviter for one in given}
        cases = [When(inviter_id=user, then=Value(quotas[user].spent)) for user in changed]
        if cases:
            self.filter(inviter_id__in=changed).update(spent=Case(*cases))
        return given

    def of(self, user: Any) -> InvitationQuota:
        """Return a member's quota, which he has also without a row."""
        return self.filter(inviter=user).first() or self.model(inviter=user)


class QuotaEntryManager(models.Manager["QuotaEntry"]):
    """Write the ledger."""

    def balance_of(self, invitation: InvitationKey) -> int | None:
        """Return what an invitation has changed in all, or ``None`` if nothing is known of it."""
        sums = self.filter(invitation=invitation).aggregate(sum=models.Sum("change"))
        balance: int | None = sums["sum"]
        return balance


class ThrottleCounterManager(models.Manager["ThrottleCounter"]):
    """Count what is limited, exactly, whatever happens at the same time.

    Every statement finds its row by the scope, so that all of them lock in one order.
    """

    def hit(self, scope: str, limit: int, window: timedelta, now: datetime) -> bool:
        """Count one more, unless there were so many in this window; tell whether it was counted."""
        features = connections[self.db].features
        target = ["scope"] if features.supports_update_conflicts_with_target else None
        over = _begun_by(now - window)
        # One transaction: the row that is made or found here stays until it has counted.
        with transaction.atomic():
            self.bulk_create(
                [self.model(scope=scope, window_start=now)],
                update_conflicts=True,
                update_fields=["scope"],
                unique_fields=target,
            )
            rows = self.filter(scope=scope)
            free = rows.filter(over | Q(count__lt=limit)) if limit > 0 else self.none()
            changed = free.update(
                # MySQL assigns from left to right: what looks at the window stands before it.
                count=Case(When(over, then=Value(1)), default=F("count") + 1),
                window_start=Case(When(over, then=Value(now)), default=F("window_start")),
            )
        return changed == 1

    def take_back(self, scope: str) -> None:
        """Count one less: it need not have been limited."""
        self.filter(scope=scope, count__gt=0).update(count=F("count") - 1)

    def forget(self, before: datetime, limit: int) -> int:
        """Delete counters whose window began before a time, ``limit`` at most; return how many."""
        old = list(self.filter(window_start__lte=before).values_list("scope", flat=True)[:limit])
        # One at a time and by the scope: see above.
        return sum(self.filter(_begun_by(before), scope=x).delete()[0] for x in old)


def _begun_by(moment: datetime) -> Q:
    """Return the condition that a window began by then, as no index serves it (see ``holds``)."""
    return Q(LessThanOrEqual(Coalesce(F("window_start"), Value(moment)), Value(moment)))
