"""Expiry and deletion of invitations, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.db.models import Q, QuerySet
from django.utils import timezone

from invitation import signals
from invitation.conf import conf
from invitation.flows import quota
from invitation.flows.after_commit import BATCH_SIZE, announce, in_transaction, retrying
from invitation.flows.mail import awaiting_news, news_of_expiry
from invitation.flows.quota import WINDOW_MAX
from invitation.models import (
    Acceptance,
    InvitationKey,
    InvitationQuota,
    MailCounter,
    ThrottleCounter,
)
from invitation.models.moments import latest
from invitation.models.querysets import not_asked_for

T = TypeVar("T")


#: Rows that one statement finds, for several batches.
FOUND_AT_ONCE = 10_000

#: Counters of attempts that one run of the cleanup deletes.
COUNTERS_AT_ONCE = 10_000

#: Time after which an email counter limits nothing. It is 25 hours, and one for a clock change.
MAIL_COUNTS_KEPT = timedelta(hours=26)


def clean_up(batch_size: int = BATCH_SIZE, now: datetime | None = None) -> tuple[int, int]:
    """Expire and purge, and return how many invitations were marked and how many were deleted.

    Where nobody needs expired invitations, they are deleted without being marked before. Both
    numbers include them.
    """
    gone = 0
    if _is_deleted_at_once():
        _release_orphans(batch_size)
        gone = _end_free(batch_size, now or timezone.now(), delete=True)
    return gone + expire(batch_size, now), gone + purge(batch_size, now)


def _is_deleted_at_once() -> bool:
    """Return whether ``purge`` would delete what expires now, and nobody would see it before."""
    kept = conf.INVITATION_RETENTION_DAYS or conf.INVITATION_NOTIFY_INVITER
    heard = signals.invitations_expired.has_listeners(InvitationKey)
    return not kept and not heard and InvitationKey.objects.concerns_nobody()


def expire(batch_size: int = BATCH_SIZE, now: datetime | None = None) -> int:
    """Mark overdue invitations as expired, and return how many were marked.

    Their quota is given back. Works in batches, each in its own short transactions. It may run at
    the same time as registrations and as other runs. First it releases the uses of accounts that no
    longer exist and were never activated.
    """
    now = now or timezone.now()
    _release_orphans(batch_size)
    marked = _end_free(batch_size, now)
    # What others had locked.
    for batch in _batches(InvitationKey.objects.overdue(now), batch_size, "expires_at"):
        marked += in_transaction(partial(mark_expired, batch, now))
    _settle(batch_size)
    for step in news_of_expiry(now, batch_size):
        in_transaction(step)
    return marked


def _end_free(batch_size: int, now: datetime, *, delete: bool = False) -> int:
    """End the overdue invitations that nobody else has locked, and return how many.

    Each batch is ended and gives back its quota in one transaction.
    """
    if not InvitationKey.objects.can_end_free():
        return 0
    # Not in the order of the primary key as well: many may expire at the same moment, and no index
    # has both. Those that were ended are not found again.
    overdue = InvitationKey.objects.overdue(now).order_by("expires_at")
    rows, number = overdue.values_list("pk", "from_user_id", "expires_at"), _number(batch_size)
    ended, begin = 0, Q()
    while True:
        found, before = list(rows.filter(begin)[:number]), ended
        for start in range(0, len(found), batch_size):
            batch = {pk: inviter for pk, inviter, _ in found[start : start + batch_size]}
            ended += in_transaction(partial(_end_batch, batch, now, delete))
        if len(found) < number or ended == before:
            return ended
        begin = Q(expires_at__gte=found[-1][2])


def _end_batch(batch: dict[int, Any], now: datetime, delete: bool) -> int:
    pks = sorted(batch)
    inviters = {inviter for inviter in batch.values() if inviter is not None}
    free, quotas = None, None
    if conf.INVITATION_REFUND_EXPIRED:
        # The quotas first: see ``end_free``.
        quotas = InvitationQuota.objects.lock_for_refund(inviters, free=True)
        free = {row.inviter_id for row in quotas}
    ended, held = InvitationKey.objects.end_free(pks, now, free, delete=delete)
    quota.give_back(held, quota.Reason.EXPIRED, quotas)
    if ended and not delete:
        announce(signals.invitations_expired, invitation_ids=ended)
    return len(ended)


def mark_expired(batch: list[int], now: datetime) -> int:
    """Mark the overdue invitations of this batch as expired, and return how many.

    It runs in the caller's transaction.
    """
    expired = InvitationKey.objects.expire(batch, now)
    if expired:
        announce(signals.invitations_expired, invitation_ids=expired)
    return len(expired)


def _orphans() -> QuerySet[Acceptance]:
    return Acceptance.objects.unactivated().filter(user=None)


def _release_orphans(batch_size: int) -> None:
    orphans = _orphans()
    for batch in _batches(orphans, batch_size):
        release_all(orphans.filter(pk__in=batch))


def _settle(batch_size: int) -> None:
    """Give back the quota that expired invitations hold.

    This includes what an earlier run left over. Where INVITATION_REFUND_EXPIRED is off, the quota
    is lost.

    It does not run in the transaction of ``mark_expired``. Inviting locks the quota before the
    slot, and marking frees the slot. In one transaction, the two could block each other.
    """
    status = InvitationKey.Status.EXPIRED
    holding = InvitationKey.objects.filter(status=status, quota_held__gt=0)
    for batch in _batches(holding, batch_size):
        in_transaction(partial(_refund, batch))


def _refund(batch: list[int]) -> None:
    given_up = InvitationKey.objects.give_up_quota(batch)
    if conf.INVITATION_REFUND_EXPIRED:
        quota.give_back(given_up, quota.Reason.EXPIRED)


def purge(batch_size: int = BATCH_SIZE, now: datetime | None = None) -> int:
    """Delete invitations that ended unused long enough ago, and return how many.

    INVITATION_RETENTION_DAYS sets how long they are kept. An invitation stays if somebody asked to
    renew it within the last week. It also stays while the inviter must still get an email about it.
    """
    now = now or timezone.now()
    before = now - timedelta(days=conf.INVITATION_RETENTION_DAYS)
    return _purge(InvitationKey.objects.disposable(before, now), before, now, batch_size)


def delete_expired(batch_size: int = BATCH_SIZE, now: datetime | None = None) -> int:
    """Expire and purge, and delete every expired, unused invitation; return how many were deleted.

    Expired ones are deleted at once, whatever INVITATION_RETENTION_DAYS is. Then their links no
    longer say why they do not work. The other reasons of ``purge`` to keep one hold.
    """
    now = now or timezone.now()
    expire(batch_size, now)
    deleted = purge(batch_size, now)
    expired = InvitationKey.objects.disposable(now, now).filter(status=InvitationKey.Status.EXPIRED)
    return deleted + _purge(expired, now, now, batch_size)


def _purge(ended: QuerySet[InvitationKey], before: datetime, now: datetime, batch_size: int) -> int:
    """Delete these disposable invitations, and return how many."""
    deleted = 0
    # Apart, so that each is one range of an index: see ``ended_by``.
    for span in (Q(ended_at__lte=before), Q(ended_at__gt=latest(now))):
        for batch in _batches(ended.filter(span), batch_size, "ended_at"):
            told_later = awaiting_news(batch, now)
            batch = [pk for pk in batch if pk not in told_later]
            deleted += in_transaction(partial(InvitationKey.objects.purge, batch, before, now))
    return deleted


@retrying
def forget_attempts(now: datetime | None = None) -> int:
    """Delete counters of attempts that limit nothing any more, and return how many.

    The number for one run is limited. The next run deletes the rest.
    """
    now = now or timezone.now()
    return ThrottleCounter.objects.forget(now - WINDOW_MAX, COUNTERS_AT_ONCE, now)


@retrying
def forget_mail_counts(now: datetime | None = None) -> int:
    """Delete counters of emails that limit nothing any more, and return how many.

    The number for one run is limited. The next run deletes the rest.
    """
    now = now or timezone.now()
    return MailCounter.objects.forget(now - MAIL_COUNTS_KEPT, COUNTERS_AT_ONCE, now)


def count_cleanup(now: datetime | None = None) -> tuple[int, int]:
    """Return how many invitations ``expire`` would mark and ``purge`` would then delete.

    Where inviters are told about expired invitations, ``purge`` deletes those at least one day
    later.
    """
    now = now or timezone.now()
    before = now - timedelta(days=conf.INVITATION_RETENTION_DAYS)
    overdue = InvitationKey.objects.overdue(now)
    # The accounts that used these up no longer exist. These become pending again, but are overdue.
    released = InvitationKey.objects.filter(
        status=InvitationKey.Status.ACCEPTED,
        expires_at__lte=now,
        pk__in=_orphans().values("invitation"),
    )
    deleted = InvitationKey.objects.disposable(before, now, settled=False).count()
    if before >= now:
        # What is marked now ends now. Without a retention time, the same run deletes it.
        unasked = not_asked_for(now)
        deleted += overdue.filter(unasked, uses=0).count()
        deleted += released.filter(unasked, uses=1).count()
    return overdue.count() + released.count(), deleted


def _number(size: int) -> int:
    """Return how many rows one statement finds for batches of this size."""
    return max(size, FOUND_AT_ONCE // size * size)


def _batches(rows: QuerySet[Any], size: int, column: str = "pk") -> Iterator[list[int]]:
    """Yield the primary keys of rows in batches, found in the order of a column with an index.

    One statement finds several batches. The next one begins where it ended, so none reads what was
    done before.
    """
    number = _number(size)
    after = Q()
    while True:
        found = list(rows.filter(after).order_by(column, "pk").values_list(column, "pk")[:number])
        for start in range(0, len(found), size):
            yield sorted(pk for _, pk in found[start : start + size])
        if len(found) < number:
            return
        last, pk = found[-1]
        after = Q(**{f"{column}__gte": last}) & (Q(**{f"{column}__gt": last}) | Q(pk__gt=pk))


def release_all(acceptances: QuerySet[Acceptance]) -> None:
    """Give back the use of each of these acceptances, once each."""
    for acceptance in acceptances.select_related("invitation"):
        in_transaction(partial(_release, acceptance))


def _release(acceptance: Acceptance) -> None:
    if Acceptance.objects.take_back(acceptance.pk):
        InvitationKey.objects.release_use(acceptance.invitation, timezone.now())
