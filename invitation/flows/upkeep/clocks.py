"""Checks whether the clock can be trusted, before an action that cannot be undone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
from invitation.models.moments import latest

#: Largest accepted difference between this machine's clock and the database's clock.
APART = timedelta(hours=1)
#: Time without any activity after which the clock is doubted.
QUIET = timedelta(days=365)
#: SQL for the seconds since 1970, by kind of database. SQLite uses this machine's clock.
SECONDS = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}


class MomentsAhead(NamedTuple):
    """Numbers of stored moments that are too far in the future, because a clock was wrong."""

    #: Unsent emails, held or waiting. They are still sent.
    mails: int
    #: Counters of attempts and of emails. They limit nothing.
    counters: int
    #: Pauses of the queue. They delay nothing.
    pauses: int

    @property
    def total(self) -> int:
        """Number of all of them."""
        return self.mails + self.counters + self.pauses


def moments_ahead(now: datetime | None = None) -> MomentsAhead:
    """Return how many stored moments are too far in the future. Runs four queries."""
    now = now or timezone.now()
    ahead = latest(now)
    counters = ThrottleCounter.objects.filter(window_start__gt=ahead).count()
    return MomentsAhead(
        mails=InvitationEmail.objects.ahead(now).count(),
        counters=counters + MailCounter.objects.filter(updated_at__gt=ahead).count(),
        pauses=DeliveryPause.objects.ahead(now).count(),
    )


def clock_difference() -> timedelta:
    """Return how far this machine's clock is ahead of the database's clock. Runs one query.

    Returns zero where the database has no clock of its own, for example SQLite.
    """
    connection = connections[router.db_for_write(InvitationKey)]
    if connection.vendor not in SECONDS:
        return timedelta()
    with connection.cursor() as cursor:
        cursor.execute(SECONDS[connection.vendor])
        (there,) = cursor.fetchone()
    # This must be the clock of the application, not the ``now`` of a caller.
    return timedelta(seconds=timezone.now().timestamp() - float(there))


def doubt_about_clock(now: datetime | None = None) -> str:
    """Return in words why this clock must not be used for deletion; empty if it is trusted.

    The clock is doubted if it differs from the database's clock by more than an hour. It is also
    doubted if nothing has happened in this app for a year.
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
    """Return when something last happened. Runs four queries, each with an index."""
    rows: Any = (
        InvitationKey.objects.order_by("-pk").values_list("date_invited"),
        InvitationEmail.objects.order_by("-pk").values_list("created_at"),
        Acceptance.objects.order_by("-pk").values_list("claimed_at"),
        QuotaEntry.objects.order_by("-pk").values_list("created_at"),
    )
    found = [row.first() for row in rows]
    return max((moment for (moment,) in filter(None, found)), default=None)
