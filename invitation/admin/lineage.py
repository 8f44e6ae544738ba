"""Find out who invited whom: up to whoever came first, down to all who came after.

Everybody stands in one place only: below the inviter whose invitation the account was made with,
or, if it was there before, whose invitation it accepted first. So each is counted once. (Two may
still stand below each other, if one of them was there before; whoever was met is not met again.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from invitation.models import Acceptance

#: How many are counted, and how many steps up or down are taken. Beyond that, a number is a least.
MOST = 100_000
DEEPEST = 100
#: For how many inviters one query looks.
BATCH = 1_000


def origins() -> QuerySet[Acceptance]:
    """Keep of each account the one acceptance by which it came; deleted accounts count, too."""
    before = Q(new_account__gt=OuterRef("new_account"))
    before |= Q(new_account=OuterRef("new_account"), pk__lt=OuterRef("pk"))
    return Acceptance.objects.filter(
        ~Exists(Acceptance.objects.filter(before, user=OuterRef("user")))
    )


def invited_by(account: Any) -> QuerySet[Acceptance]:
    """Keep how those came whom this account has invited itself."""
    return origins().filter(invitation__from_user=account).exclude(user=account)


@dataclass
class Ascent:
    """Say through whom an account came, from its own inviter upwards."""

    steps: list[Acceptance] = field(default_factory=list)
    #: Whether whoever comes next stands in the chain already.
    circular: bool = False
    #: Whether there are more than were looked for.
    cut: bool = False


def ascend(account: Any) -> Ascent:
    """Follow an account's inviters up to one whom nobody invited; a query for each step."""
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
    """Say how many came through an account, and through each of those whom it invited."""

    #: How many came in all.
    total: int = 0
    #: How many each of the invited has invited himself, and how many came through him in all.
    direct_of: Counter[Any] = field(default_factory=Counter)
    total_of: Counter[Any] = field(default_factory=Counter)
    #: Whether nobody was left out: otherwise each number is a least.
    complete: bool = True


def descend(account: Any) -> Descent:
    """Count who came through an account, level by level, ``BATCH`` inviters to a query."""
    found, met = Descent(), {account.pk}
    #: Each account of a level, and which of the invited it stands below.
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
    """Yield who came through these, and through whom; no more than can still be counted."""
    pks = iter(inviters)
    while batch := list(islice(pks, BATCH)):
        rows = origins().filter(invitation__from_user__in=batch).order_by()
        pairs = rows.values_list("user", "invitation__from_user")
        # One more tells that there are more; one is the account itself, where it was met.
        yield from pairs[: MOST - found.total + 2]
