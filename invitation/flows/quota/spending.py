"""Spending, giving back and granting invitations, with the ledger beside the counter.

Each change of a counter and its ledger entry are in one transaction. So the sum of a member's
entries always equals their counter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone

from invitation.conf import conf
from invitation.exceptions import QuotaExceeded
from invitation.flows.after_commit import retrying, writing
from invitation.models import InvitationKey, InvitationQuota, QuotaEntry, managers
from invitation.models.managers import Held

Reason = QuotaEntry.Reason

#: Most invitations in one grant, far below the limit of the counter's column.
GRANT_MAX = 1_000_000


#: Rules of optional apps that say whether an account is that of a guest.
_guest_rules: dict[Callable[[Any], bool], None] = {}


def know_guests(rule: Callable[[Any], bool]) -> None:
    """Let this app know guests: ``rule`` returns whether an account is that of a guest."""
    _guest_rules[rule] = None


def is_guest(user: Any) -> bool:
    """Return whether nobody has signed up for this account yet; without guests, ``False``.

    A guest has no quota, and can neither invite nor accept.
    """
    return any(rule(user) for rule in _guest_rules)


class QuotaState(NamedTuple):
    """Invitations that a member has left."""

    #: Invitations left; ``None`` is unlimited.
    remaining: int | None
    #: When spent invitations come back; ``None`` if they do not, or none were spent.
    refills_at: datetime | None = None


def quota_of(user: Any) -> QuotaState:
    """Return how many invitations this member has left, and when they get more; one query."""
    if not user.is_authenticated or is_guest(user):
        return QuotaState(0)
    quota, limit = InvitationQuota.objects.of(user), conf.invitations_per_user(user)
    now, period = timezone.now(), conf.INVITATION_QUOTA_PERIOD
    return QuotaState(quota.remaining(limit, period, now), quota.refills_at(limit, period, now))


def remaining_invitations(user: Any) -> int | None:
    """Return how many invitations this member has left; ``None`` is unlimited."""
    return quota_of(user).remaining


def spend(
    inviter: Any, amount: int = 1, *, slot: Any = None, declined: tuple[str, int] | None = None
) -> None:
    """Spend from a member's quota; ``note`` the change in the same transaction.

    Raises ``QuotaExceeded`` if less is left. With ``slot``, it raises ``QuotaExceeded`` as well if
    the member has a pending invitation there. With ``declined`` as well, an address and a site, it
    does so if this address has declined an invitation from the member. Call it in a transaction:
    the member's quota stays locked until its end.
    """
    quotas, limit = InvitationQuota.objects, conf.invitations_per_user(inviter)
    period, now = conf.INVITATION_QUOTA_PERIOD, timezone.now()
    current = None if period is None else (period, now)
    if quotas.spend(inviter, limit, amount, current=current, slot=slot, declined=declined):
        return
    # Too little is left, or the member has no row, or a new period begins.
    if limit is not None and amount > limit and not quotas.has_row(inviter):
        # The member has no grants either, so fail without making a row. Others would wait for that
        # row. It would go with this transaction, and they would deadlock on MariaDB.
        raise QuotaExceeded()
    quotas.hold(inviter)
    if period is not None:
        _refill(inviter, limit, period, now)
    if not quotas.spend(inviter, limit, amount, slot=slot, declined=declined):
        raise QuotaExceeded()


def _refill(
    inviter: Any, limit: int | None, period: timedelta, now: datetime, **options: bool
) -> None:
    regained = InvitationQuota.objects.refill(inviter, limit, period, now, **options)
    if regained:
        write_entry(inviter, regained, Reason.REFILLED)


def write_entry(
    inviter: Any, change: int, reason: QuotaEntry.Reason, invitation: InvitationKey | None = None
) -> None:
    """Write a ledger entry for a change of the counter, in the transaction of the change."""
    entry = QuotaEntry(inviter=inviter, change=change, reason=reason, invitation=invitation)
    managers.write_new(entry)


def give_back(
    held: Collection[Held], reason: QuotaEntry.Reason, quotas: Collection[Any] | None = None
) -> None:
    """Give back to the inviters what invitations held; call it in a transaction.

    ``quotas`` are what ``lock_for_refund`` returned, if it was called before.
    """
    if not held:
        return
    given = InvitationQuota.objects.refund(held, quotas)
    columns: dict[str, list[Any]] = {
        "inviter_id": [one.inviter for one in given],
        "change": [one.amount for one in given],
        "invitation_id": [one.invitation for one in given],
    }
    managers.insert_like(QuotaEntry(reason=reason, created_at=timezone.now()), columns)


def check_amount(amount: int) -> None:
    """Raise ``ValueError`` unless the amount is from 1 to ``GRANT_MAX``."""
    if not 1 <= amount <= GRANT_MAX:
        raise ValueError(f"A grant is from 1 to {GRANT_MAX} invitations.")


@retrying
def grant(
    user: Any,
    amount: int,
    reason: QuotaEntry.Reason = Reason.GRANTED,
    invitation: InvitationKey | None = None,
) -> None:
    """Grant a member this many invitations on top of the site's limit.

    Raises ``ValueError`` unless the amount is from 1 to ``GRANT_MAX``.
    """
    check_amount(amount)
    with writing():
        InvitationQuota.objects.hold(user)
        period = conf.INVITATION_QUOTA_PERIOD
        if period is not None:
            # End a period that is over, so that it cannot use up this grant. The next one still
            # begins when the member spends again.
            limit = conf.invitations_per_user(user)
            _refill(user, limit, period, timezone.now(), begin=False)
        InvitationQuota.objects.filter(inviter=user).update(granted=F("granted") + amount)
        write_entry(user, amount, reason, invitation)


@retrying
def correct_quota(user: Any, granted: int | None, unlimited: bool) -> None:
    """Write what staff enter: a member's grants, and whether the member has no limit.

    ``granted=None`` leaves the grants unchanged.
    """
    with writing():
        InvitationQuota.objects.hold(user)
        row = InvitationQuota.objects.select_for_update().get(inviter=user)
        if granted is None:
            granted = row.granted
        change = granted - row.granted
        InvitationQuota.objects.filter(pk=row.pk).update(granted=granted, unlimited=unlimited)
        if change:
            write_entry(user, change, Reason.GRANTED if change > 0 else Reason.CORRECTED)


# -- many at once --------------------------------------------------------------------------


def remaining_now(inviter: Any) -> int | None:
    """Return what a member has left, with their quota locked; call ``hold`` before.

    A locking read sees what others have committed, even if this transaction has read before.
    """
    quota = InvitationQuota.objects.select_for_update().get(inviter=inviter)
    limit, period = conf.invitations_per_user(inviter), conf.INVITATION_QUOTA_PERIOD
    return quota.remaining(limit, period, timezone.now())


def write_entries(inviter: Any, change: int, reason: QuotaEntry.Reason, pks: Sequence[int]) -> None:
    """Write a ledger entry for each of these invitations, in the transaction of the change."""
    like = QuotaEntry(inviter=inviter, change=change, reason=reason, created_at=timezone.now())
    managers.insert_like(like, {"invitation_id": pks})
