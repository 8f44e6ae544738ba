"""Queries for who invited whom: up to the first inviter, down to all who came after.

Each account has one place only, so each is counted once. It stands below the inviter whose
invitation created the account. An account that existed before stands below the inviter whose
invitation it accepted first.

Two accounts may still stand below each other, if one of them existed before. The search does not
visit an account twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from invitation.models import Acceptance

#: Limits: the number of accounts that are counted, and of steps up or down. A number at a limit
#: means "at least".
MOST = 100_000
DEEPEST = 100
#: Number of inviters in one query.
BATCH = 1_000


def origins() -> QuerySet[Acceptance]:
    """Return the one acceptance by which each account came.

    Deleted accounts count, too.
    """
    before = Q(new_account__gt=OuterRef("new_account"))
    before |= Q(new_account=OuterRef("new_account"), pk__lt=OuterRef("pk"))
    return Acceptance.objects.filter(
        ~Exists(Acceptance.objects.filter(before, user=OuterRef("user")))
    )


def invited_by(account: Any) -> QuerySet[Acceptance]:
    """Return the acceptances of those whom this account itself invited."""
    return origins().filter(invitation__from_user=account).exclude(user=account)


@dataclass
class Ascent:
    """Inviters above an account, beginning with its own inviter."""

    steps: list[Acceptance] = field(default_factory=list)
    #: Whether the next inviter is already in the chain.
    circular: bool = False
    #: Whether the chain goes on beyond the limit.
    cut: bool = False


def ascend(account: Any) -> Ascent:
    """Follow an account's inviters up to one whom nobody invited; one query a step."""
    found, met = Ascent(), {account.pk}
    while True:
        rows = origins().filter(user=account).select_related("invitation__from_user", "user")
        origin = rows.first()
        if origin is None:
            return found
        account = origin.invitation.from_user
        found.circular = account is not None and account.pk in met
        found.cut = len(found.steps) == DEEPEST
        if found.circular or found.cut:
            return found
        found.steps.append(origin)
        if account is None:
            return found
        met.add(account.pk)


@dataclass
class Descent:
    """Numbers of those who came through an account, and through each one it invited."""

    #: Number of accounts that came through it, in all.
    total: int = 0
    #: For each invited account: how many it invited itself, and how many came through it in all.
    direct_of: Counter[Any] = field(default_factory=Counter)
    total_of: Counter[Any] = field(default_factory=Counter)
    #: Whether all were counted. If not, each number means "at least".
    complete: bool = True


def descend(account: Any) -> Descent:
    """Count who came through an account, level by level, ``BATCH`` inviters a query."""
    found, met = Descent(), {account.pk}
    #: Maps each account of a level to the invited account above it.
    level: dict[Any, Any] = {account.pk: None}
    for _depth in range(DEEPEST):
        below: dict[Any, Any] = {}
        for user, inviter in _came_through(level, found):
            if user is not None and user in met:
                continue
            if found.total == MOST:
                found.complete = False
                return found
            found.total += 1
            branch = level[inviter]
            if branch is not None:
                found.total_of[branch] += 1
                found.direct_of[branch] += inviter == branch
            if user is not None:
                met.add(user)
                below[user] = user if branch is None else branch
        if not below:
            return found
        level = below
    found.complete = False
    return found


def _came_through(inviters: dict[Any, Any], found: Descent) -> Iterator[tuple[Any, Any]]:
    """Yield each account that came through these inviters, with its inviter.

    Yields no more than can still be counted.
    """
    pks = iter(inviters)
    while batch := list(islice(pks, BATCH)):
        rows = origins().filter(invitation__from_user__in=batch).order_by()
        pairs = rows.values_list("user", "invitation__from_user")
        # One more row shows that there are more. One may be the account itself, which is not
        # counted.
        yield from pairs[: MOST - found.total + 2]
