"""Conditions for stored times that cannot be true after a wrong clock.

A clock that jumped forward and back leaves times that are far in the future. Each kind of time has
a largest distance from now. For a lease it is its length. For a past event it is zero. A time that
is further ahead counts as passed. See "Clocks" in docs/reference/databases.rst.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

#: Largest difference between the clocks of a site's machines.
SKEW = timedelta(minutes=5)
NOT_AHEAD = timedelta()


def latest(now: datetime, most: timedelta = NOT_AHEAD) -> datetime:
    """Return the latest time that can be true now.

    ``most`` is how far ahead a time of this kind may be.
    """
    return now + most + SKEW


def passed(column: str, by: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> Q:
    """Return the condition that a time is before ``by``, or too far ahead to be true."""
    return Q(**{f"{column}__lte": by}) | Q(**{f"{column}__gt": latest(now, most)})


def since(column: str, begin: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> Q:
    """Return the condition that a time is after ``begin``, and not too far ahead."""
    return Q(**{f"{column}__gt": begin, f"{column}__lte": latest(now, most)})


def has_passed(moment: datetime, by: datetime, now: datetime, most: timedelta = NOT_AHEAD) -> bool:
    """Return whether one time has passed, by the rule of ``passed``."""
    return moment <= by or moment > latest(now, most)
