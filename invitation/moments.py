"""Tell which stored moments can be true, whatever the clock said when they were written.

A clock that jumped forward and back leaves moments that lie far ahead. Each kind of moment lies at
most so far ahead, by what it is for: a lease by its length, what has happened not at all. One that
lies further ahead says nothing, and counts as over. See "Clocks" in docs/operations.rst.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

#: By how much the clocks of a site's machines may differ.
SKEW = timedelta(minutes=5)
NOT_AHEAD = timedelta()


def latest(now: datetime, most: timedelta = NOT_AHEAD) -> datetime:
    """Return the latest moment that can be true now, of those that lie so far ahead at most."""
    return now + most + SKEW


def passed(column: str, by: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> Q:
    """Return the condition that a moment lies before a time, or too far ahead to be true."""
    return Q(**{f"{column}__lte": by}) | Q(**{f"{column}__gt": latest(now, most)})


def since(column: str, begin: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> Q:
    """Return the condition that a moment lies after a time, and not too far ahead."""
    return Q(**{f"{column}__gt": begin, f"{column}__lte": latest(now, most)})


def has_passed(moment: datetime, by: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> bool:
    """Tell of one moment what ``passed`` asks of a column."""
    return moment <= by or moment > latest(now, most)
