"""Hold what becomes of the rows of a list, and give out among them what is left."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from invitation.flows import limiting


class Verdict(models.TextChoices):
    """Say what becomes of a row."""

    #: Will be invited.
    NEW = "new", _("new")
    #: Has been invited, just now.
    INVITED = "invited", pgettext_lazy("what became of a row of a list", "invited")
    ALREADY = "already_invited", _("already invited")
    OWN = "own_address", _("your own address")
    INVALID = "invalid", _("invalid")
    DUPLICATE = "duplicate", _("twice in the list")
    OVER_QUOTA = "over_quota", _("over the quota")
    OVER_LIMIT = "over_limit", _("over the limit of a day")


@dataclass(frozen=True)
class Row:
    """Say what becomes of one row of a list, and why."""

    number: int
    #: As it is mailed to, or as it was written if it cannot be.
    email: str
    verdict: Verdict
    recipient_name: str = ""
    note: str = ""
    language: str = ""
    groups: tuple[int, ...] = ()
    group_names: tuple[str, ...] = ()
    #: Why it is not invited, in a sentence, and the code of the error that says so.
    reason: str | Promise = ""
    code: str = field(default="")
    email_key: str = ""


@dataclass(frozen=True)
class Batch:
    """Hold what became of a list."""

    id: uuid.UUID
    rows: list[Row]

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have this verdict."""
        return sum(row.verdict == verdict for row in self.rows)


def ration(
    inviter: Any, site_id: int, rows: list[Row], remaining: int | None, *, lock: bool = False
) -> Iterator[Row]:
    """Yield the rows in their order, those marked for which there is no invitation or no mail left.

    What is over a limit takes nothing from the quota, and the other way round. ``lock`` keeps the
    limits as they are found until the end of the transaction.
    """
    new = [row.email_key for row in rows if row.verdict == Verdict.NEW]
    room, limits = limiting.room_for(inviter, site_id, new, lock=lock)
    for row in rows:
        if row.verdict != Verdict.NEW:
            yield row
        elif refusal := room.refusal(limits[row.email_key]):
            reason: str | Promise = str(refusal)
            yield replace(row, verdict=Verdict.OVER_LIMIT, reason=reason, code=refusal.code)
        elif remaining is not None and remaining <= 0:
            reason = _("You have no invitation left for this one.")
            yield replace(row, verdict=Verdict.OVER_QUOTA, reason=reason, code="over_quota")
        else:
            room.take(limits[row.email_key])
            remaining = None if remaining is None else remaining - 1
            yield row
