"""Quotas of many members: changes, display, and comparison with the ledger.

The number of queries is the same for any number of members, even if they have no row yet. There is
one exception: a limit that is a Python rule is asked for each member. Then members are processed in
batches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Case, Exists, F, IntegerField, OuterRef, QuerySet, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from invitation.conf import conf
from invitation.flows.after_commit import in_transaction
from invitation.flows.quota.spending import Reason, check_amount
from invitation.models import InvitationQuota, QuotaEntry, managers

#: Members in one batch where the limit is asked for each member.
BATCH_SIZE = 500

#: Some members, and an expression for the site's limit of each of them. The expression is for a row
#: of a quota.
Limited = tuple[QuerySet[Any], Any]


class QuotaLine(NamedTuple):
    """Quota of one member, as a line of a table."""

    user: Any
    #: Site's limit for the member, and invitations left with the grants; ``None`` is unlimited.
    limit: int | None
    granted: int
    spent: int
    remaining: int | None
    refills_at: datetime | None


class Difference(NamedTuple):
    """Difference between a member's counter and the sum of their ledger."""

    inviter: int
    name: str
    counter: int
    ledger: int


def grant_all(users: QuerySet[Any], amount: int) -> int:
    """Grant each of these members a number of extra invitations, and return to how many."""
    check_amount(amount)
    settles = conf.INVITATION_QUOTA_PERIOD is not None
    return _in_turn(_with_limits(users) if settles else [(users, None)], amount, top=False)


def top_up(users: QuerySet[Any], amount: int) -> int:
    """Grant these members what they lack to have ``amount`` left, and return to how many."""
    check_amount(amount)
    return _in_turn(_with_limits(users), amount, top=True)


def set_unlimited(users: QuerySet[Any], unlimited: bool = True) -> int:
    """Set or remove the unlimited quota of these members, and return for how many it changed."""
    return in_transaction(partial(_set_unlimited, users, unlimited))


def _set_unlimited(users: QuerySet[Any], unlimited: bool) -> int:
    rows = InvitationQuota.objects.hold_all(users, create=unlimited)
    return rows.exclude(unlimited=unlimited).update(unlimited=unlimited)


def _in_turn(parts: Collection[Limited] | Iterator[Limited], amount: int, *, top: bool) -> int:
    return sum(in_transaction(partial(_grant, *part, amount, top=top)) for part in parts)


def _grant(users: QuerySet[Any], limit: Any, amount: int, *, top: bool) -> int:
    """Write the ledger entries, and change each counter by its entry."""
    quotas, ledger = InvitationQuota.objects, QuotaEntry.objects
    held = quotas.hold_all(users)
    now, period = timezone.now(), conf.INVITATION_QUOTA_PERIOD
    if period is not None:
        # This comes before the grant. So the refill of an old period cannot count the new grant as
        # used.
        over = quotas.over(held, limit, period, now)
        ledger.write_all(over.filter(spent__gt=F("used")), F("regained"), Reason.REFILLED, now)
        quotas.settle(over)
    before = ledger.latest_pk()
    rows = held
    change: Any = Value(amount)
    if top:
        rows, change = quotas.short_of(held, limit, amount), F("missing")
    ledger.write_all(rows, change, Reason.GRANTED, now)
    written = ledger.filter(pk__gt=before, created_at=now, reason=Reason.GRANTED)
    return quotas.add(held, written)


def _with_limits(users: QuerySet[Any]) -> Iterator[Limited]:
    """Yield the members with the site's limit, all at once if SQL can express it."""
    rule = conf.quota_rule
    if rule is None or isinstance(rule, int):
        yield users, Value(rule, IntegerField())
    elif isinstance(rule, Mapping):
        yield users, _limit_in_sql(rule, "inviter_id")
    else:
        yield from _limits_one_by_one(users)


def _limits_one_by_one(users: QuerySet[Any]) -> Iterator[Limited]:
    manager = get_user_model()._default_manager
    users = managers.from_writer(users.order_by("pk"))
    numbered = enumerate(users.iterator(BATCH_SIZE))
    for _number, batch in groupby(numbered, key=lambda one: one[0] // BATCH_SIZE):
        limits: dict[int | None, list[Any]] = {}
        for _place, user in batch:
            limit = conf.invitations_per_user(user)
            limits.setdefault(None if limit is None else max(0, limit), []).append(user.pk)
        for limit, pks in limits.items():
            yield manager.filter(pk__in=pks), Value(limit, IntegerField())


def _limit_in_sql(limits: Mapping[str | None, int | None], user: str) -> Any:
    """Return what ``conf.invitations_per_user`` returns for a mapping, as an expression."""
    model: Any = get_user_model()
    groups = {name: limit for name, limit in limits.items() if name is not None}
    if not hasattr(model, "groups"):
        groups = {}
    manager = model._default_manager
    cases = []
    # A member of several groups has the highest limit of these groups.
    for most in sorted(set(groups.values()), key=lambda limit: (limit is not None, -(limit or 0))):
        names = [name for name, limit in groups.items() if limit == most]
        member = manager.filter(pk=OuterRef(user), groups__name__in=names)
        cases.append(When(Exists(member), then=Value(most)))
    return Cast(Case(*cases, default=Value(limits.get(None, 0))), IntegerField())


def quota_lines(users: QuerySet[Any]) -> Iterator[QuotaLine]:
    """Yield the quota of each of these members, in the queryset's order. Runs one query."""
    now, period, rule = timezone.now(), conf.INVITATION_QUOTA_PERIOD, conf.quota_rule
    users = managers.from_writer(users.select_related("invitation_quota"))
    in_sql = isinstance(rule, Mapping)
    if isinstance(rule, Mapping):
        users = users.annotate(invitation_limit=_limit_in_sql(rule, "pk"))
    for user in users.iterator(BATCH_SIZE):
        limit = user.invitation_limit if in_sql else conf.invitations_per_user(user)
        quota = getattr(user, "invitation_quota", None) or InvitationQuota(inviter=user)
        yield QuotaLine(
            user=user,
            limit=None if quota.unlimited else limit,
            granted=quota.granted,
            spent=quota.spent,
            remaining=quota.remaining(limit, period, now),
            refills_at=quota.refills_at(limit, period, now),
        )


def ledger_differences(inviters: Collection[int] | None = None) -> list[Difference]:
    """Return the members whose counter is not the sum of their entries. Runs two queries."""
    name = get_user_model().USERNAME_FIELD
    quotas, entries = InvitationQuota.objects.differing(), QuotaEntry.objects.without_quota()
    if inviters is not None:
        quotas, entries = quotas.filter(inviter__in=inviters), entries.filter(inviter__in=inviters)
    found = [
        Difference(pk, str(who), granted - spent, total)
        for pk, who, granted, spent, total in quotas.order_by("inviter").values_list(
            "inviter", f"inviter__{name}", "granted", "spent", "total"
        )
    ]
    for pk, who, total in entries.values_list("inviter", f"inviter__{name}", "total"):
        found.append(Difference(pk, str(who), 0, total))
    return found


def correct_ledger() -> list[Difference]:
    """Write a ledger entry for each member whose ledger differs from their counter.

    The counter is taken as correct. Each member is locked and checked again before. Returns the
    differences.
    """
    found: list[Difference] = []
    differing = [one.inviter for one in ledger_differences()]
    for start in range(0, len(differing), BATCH_SIZE):
        found += in_transaction(partial(_correct, differing[start : start + BATCH_SIZE]))
    return found


def _correct(inviters: list[int]) -> list[Difference]:
    InvitationQuota.objects.hold_all(get_user_model()._default_manager.filter(pk__in=inviters))
    found = ledger_differences(inviters)
    QuotaEntry.objects.bulk_create(
        QuotaEntry(inviter_id=one.inviter, change=one.counter - one.ledger, reason=Reason.CORRECTED)
        for one in found
    )
    return found
