"""Exact counts of the emails of a day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from invitation.models.managers.batches import insert_or_update, values_at_once
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest

if TYPE_CHECKING:
    from invitation.models import MailCounter  # noqa: F401 (named in a text)

#: Buckets before the current one that count. Two moments at most 24 hours apart are never further
#: apart than this.
HOURS = 24
#: A counter written further ahead than this has no hour that counts.
AHEAD = timedelta(hours=2 * HOURS + 1)


class MailCounterManager(WriterManager["MailCounter"]):
    """Manager that counts emails in many scopes, exactly under concurrent changes.

    Each statement finds its rows by their scopes, and locks them in the order of the scopes. Lock
    these rows last. After that, a transaction must not lock any other row.
    """

    def used(self, scopes: Collection[str], hour: int) -> dict[str, int]:
        """Return each scope's number of emails in the last 24 hours, without a lock."""
        return {scope: sum(hours.values()) for scope, hours in self._recent(scopes, hour)}

    def hold(self, scopes: Collection[str], hour: int, now: datetime) -> dict[str, dict[str, int]]:
        """Lock the counters until the end of the transaction; return the counts of their hours.

        Missing counters are created. Call it in a transaction.
        """
        # Write a value that differs from the old one. On MySQL and MariaDB the rows then belong to
        # this transaction. It reads their present values, even if it has read before.
        rows = [self.model(scope=scope, updated_at=now) for scope in sorted(scopes)]
        insert_or_update(rows, "scope", ["updated_at"])
        # Not a locking read: MariaDB reads all rows of a small table and would wait for each.
        return dict(self._recent(scopes, hour))

    def add(
        self,
        held: Mapping[str, Mapping[str, int]],
        taken: Mapping[str, int],
        hour: int,
        now: datetime,
    ) -> None:
        """Add to the counts of this hour; call ``hold`` before."""
        rows = []
        for scope in sorted(taken):
            hours = dict(held[scope])
            hours[str(hour)] = hours.get(str(hour), 0) + taken[scope]
            rows.append(self.model(scope=scope, hours=hours, updated_at=now))
        insert_or_update(rows, "scope", ["hours", "updated_at"])

    def forget(self, before: datetime, limit: int, now: datetime) -> int:
        """Delete up to ``limit`` counters that were last written before a time; return how many.

        Counters whose time is too far ahead to be true are deleted as well: they limit nothing.
        """
        ahead = latest(now, AHEAD)
        condition = Q(updated_at__lt=before) | Q(updated_at__gt=ahead)
        old = list(self.filter(condition).values_list("scope", flat=True)[:limit])
        # Delete one at a time and by the scope: see the class. No index serves the condition: see
        # ``holds``. MariaDB compares the value as text. There a full second without its zeros is
        # less, never equal.
        written = Coalesce(F("updated_at"), Value(before))
        unwritten = Q(LessThan(written, Value(before))) | Q(GreaterThan(written, Value(ahead)))
        return sum(self.filter(unwritten, scope=scope).delete()[0] for scope in old)

    def _recent(self, scopes: Collection[str], hour: int) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each counter that exists, without hours that are too old."""
        wanted = sorted(scopes)
        size = values_at_once(self.db)
        for start in range(0, len(wanted), size):
            rows = self.filter(scope__in=wanted[start : start + size])
            for scope, hours in rows.values_list("scope", "hours"):
                # Also hours ahead of this machine's clock, but no more than a day.
                begin, end = hour - HOURS, hour + HOURS
                yield scope, {at: n for at, n in hours.items() if begin <= int(at) <= end}
