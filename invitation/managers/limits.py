"""Count the mails of a day, exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from invitation.managers.batches import insert_or_update, values_at_once
from invitation.moments import latest

if TYPE_CHECKING:
    from invitation.models import MailCounter  # noqa: F401 (named in a text)

#: Buckets before the current one that count: two moments of which one is at most 24 hours after
#: the other are never further apart.
HOURS = 24
#: A counter that was written further ahead than this has no hour that counts.
AHEAD = timedelta(hours=2 * HOURS + 1)


class MailCounterManager(models.Manager["MailCounter"]):
    """Count mails in many scopes at once, whatever happens at the same time.

    Every statement finds its rows by their scopes, and locks them in the order of these. Whoever
    holds them wants no other row until the end of the transaction: they come last of all.
    """

    def used(self, scopes: Collection[str], hour: int) -> dict[str, int]:
        """Return how many mails of the last 24 hours each scope has, without locking anything."""
        return {scope: sum(hours.values()) for scope, hours in self._recent(scopes, hour)}

    def hold(self, scopes: Collection[str], hour: int, now: datetime) -> dict[str, dict[str, int]]:
        """Lock the counters until the end of the transaction; return what is in their hours.

        Those that are not there are made. Call it in a transaction.
        """
        # What is written differs from what is there: on MySQL and MariaDB the rows are this
        # transaction's own from then on, and read as they are, whatever it has read before.
        rows = [self.model(scope=scope, updated_at=now) for scope in sorted(scopes)]
        insert_or_update(rows, "scope", ["updated_at"])
        # No locking read: of a small table MariaDB reads all rows, and would wait for each.
        return dict(self._recent(scopes, hour))

    def add(
        self,
        held: Mapping[str, Mapping[str, int]],
        taken: Mapping[str, int],
        hour: int,
        now: datetime,
    ) -> None:
        """Count so many more in this hour; ``hold`` the counters before."""
        rows = []
        for scope in sorted(taken):
            hours = dict(held[scope])
            hours[str(hour)] = hours.get(str(hour), 0) + taken[scope]
            rows.append(self.model(scope=scope, hours=hours, updated_at=now))
        insert_or_update(rows, "scope", ["hours", "updated_at"])

    def forget(self, before: datetime, limit: int, now: datetime) -> int:
        """Delete counters that were last written before a time, ``limit`` at most.

        Those that say they were written too far ahead to be true go as well: they limit nothing.
        """
        ahead = latest(now, AHEAD)
        condition = Q(updated_at__lt=before) | Q(updated_at__gt=ahead)
        old = list(self.filter(condition).values_list("scope", flat=True)[:limit])
        # One at a time and by the scope: see above. No index serves the condition: see ``holds``.
        # MariaDB compares it as a text, where a full second without its zeros is less, never equal.
        written = Coalesce(F("updated_at"), Value(before))
        unwritten = Q(LessThan(written, Value(before))) | Q(GreaterThan(written, Value(ahead)))
        return sum(self.filter(unwritten, scope=scope).delete()[0] for scope in old)

    def _recent(self, scopes: Collection[str], hour: int) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each counter that is there, without the hours that are over."""
        wanted = sorted(scopes)
        size = values_at_once(self.db)
        for start in range(0, len(wanted), size):
            rows = self.filter(scope__in=wanted[start : start + size])
            for scope, hours in rows.values_list("scope", "hours"):
                # Also those ahead of this machine's clock, but no more than a day.
                begin, end = hour - HOURS, hour + HOURS
                yield scope, {at: n for at, n in hours.items() if begin <= int(at) <= end}
