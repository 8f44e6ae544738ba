"""Results of the rows of a list, and the sharing of what is left among them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from invitation.flows import mail


class Verdict(models.TextChoices):
    """Result of one row of a list."""

    #: Will be invited.
    NEW = "new", _("new")
    #: Was invited just now.
    INVITED = "invited", pgettext_lazy("what became of a row of a list", "invited")
    ALREADY = "already_invited", _("already invited")
    OWN = "own_address", _("your own address")
    INVALID = "invalid", _("invalid")
    DUPLICATE = "duplicate", _("twice in the list")
    OVER_QUOTA = "over_quota", _("no invitations left")
    OVER_LIMIT = "over_limit", _("over the daily limit")


class Row(NamedTuple):
    """One row of a list, with its result and the reason for it."""

    number: int
    #: The address that the email goes to, or the text of the list if it is no valid address.
    email: str
    verdict: Verdict
    recipient_name: str = ""
    note: str = ""
    language: str = ""
    groups: tuple[int, ...] = ()
    group_names: tuple[str, ...] = ()
    #: The reason why the row is not invited, as a sentence, and the code of that error.
    reason: str | Promise = ""
    code: str = ""
    email_key: str = ""


@dataclass(frozen=True)
class ListResult:
    """Result of a whole list."""

    id: uuid.UUID
    rows: list[Row]

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have this verdict."""
        return sum(row.verdict == verdict for row in self.rows)


def mark_excess(
    inviter: Any, site_id: int, rows: list[Row], remaining: int | None, *, lock: bool = False
) -> mail.Room:
    """Mark the rows beyond the quota or a limit; return the room that the others take.

    A row over a limit takes nothing from the quota. A row over the quota takes nothing from the
    limits. ``lock`` locks the counters of the limits until the end of the transaction.
    """
    new = [row.email_key for row in rows if row.verdict == Verdict.NEW]
    room, limits = mail.room_for(inviter, site_id, new, lock=lock)
    for index, row in enumerate(rows):
        if row.verdict != Verdict.NEW:
            continue
        if refusal := room.refusal(limits[row.email_key]):
            reason: str | Promise = str(refusal)
            rows[index] = row._replace(verdict=Verdict.OVER_LIMIT, reason=reason, code=refusal.code)
        elif remaining is not None and remaining <= 0:
            reason = _("You have no invitations left for this address.")
            rows[index] = row._replace(verdict=Verdict.OVER_QUOTA, reason=reason, code="over_quota")
        else:
            room.take(limits[row.email_key])
            remaining = None if remaining is None else remaining - 1
    return room
