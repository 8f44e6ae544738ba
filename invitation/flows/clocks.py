"""Find out whether the clock can be trusted, before anything goes by it that cannot be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router
from django.utils import timezone

from invitation.models import (
    Acceptance,
    DeliveryPause,
    InvitationEmail,
    InvitationKey,
    MailCounter,
    QuotaEntry,
    ThrottleCounter,
)
from invitation.moments import latest

#: How far the clocks of this machine and of the database's may lie apart.
APART = timedelta(hours=1)
#: For how long a site can be quiet before the clock is doubted rather than believed.
QUIET = timedelta(days=365)
#: How each kind of database tells the seconds since 1970. SQLite has the clock of this machine.
SECONDS = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}


@dataclass(frozen=True)
class MomentsAhead:
    """Numbers of stored moments that lie too far ahead to be true: a clock was wrong."""

    #: Unsent mails, held or waiting. They are sent all the same.
    mails: int
    #: Counters of attempts and of mails. They limit nothing.
    counters: int
    #: Pauses of the queue. They hold nothing up.
    pauses: int

    @property
    def total(self) -> int:
        """Number of all of them."""
        return self.mails + self.counters + self.pauses


def moments_ahead(now: datetime | None = None) -> MomentsAhead:
    """Return how many stored moments lie too far ahead; four queries."""
    now = now or timezone.now()
    ahead = latest(now)
    counters = ThrottleCounter.objects.filter(window_start__gt=ahead).count()
    return MomentsAhead(
        mails=InvitationEmail.objects.ahead(now).count(),
        counters=counters + MailCounter.objects.filter(updated_at__gt=ahead).count(),
        pauses=DeliveryPause.objects.ahead(now).count(),
    )


def clock_difference() -> timedelta:
    """Return by how much this machine's clock is ahead of the database's; one query.

    Nothing where the database has no clock of its own, as with SQLite.
    """
    connection = connections[router.db_for_read(InvitationKey)]
    if connection.vendor not in SECONDS:
        return timedelta()
    with connection.cursor() as cursor:
        cursor.execute(SECONDS[connection.vendor])
        (there,) = cursor.fetchone()
    # The clock of the application, and not what the caller takes for now.
    return timedelta(seconds=timezone.now().timestamp() - float(there))


def doubt_about_clock(now: datetime | None = None) -> str:
    """Return in words why nothing should be deleted by this clock; empty if it can be trusted.

    It is doubted if the database's clock differs by more than an hour, or if nothing has happened
    in this app for a year.
    """
    now = now or timezone.now()
    difference = clock_difference()
    if abs(difference) > APART:
        seconds = round(abs(difference).total_seconds())
        side = "ahead of" if difference > timedelta() else "behind"
        return f"This machine's clock is {seconds} seconds {side} the database's."
    newest = _newest_moment()
    if newest is not None and now - newest > QUIET:
        days = (now - newest).days
        return f"By this machine's clock, nothing has happened here for {days} days."
    return ""


def _newest_moment() -> datetime | None:
    """Return when something last happened; four queries, each by an index."""
    rows: Any = (
        InvitationKey.objects.order_by("-date_invited").values_list("date_invited"),
        InvitationEmail.objects.order_by("-pk").values_list("created_at"),
        Acceptance.objects.order_by("-pk").values_list("claimed_at"),
        QuotaEntry.objects.order_by("-pk").values_list("created_at"),
    )
    found = [row.first() for row in rows]
    return max((moment for (moment,) in filter(None, found)), default=None)
