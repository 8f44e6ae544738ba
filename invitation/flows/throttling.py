"""Limit how often something may be tried, counted in the database: it holds without a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac

from invitation.conf import conf
from invitation.exceptions import TooManyAttempts
from invitation.models import ThrottleCounter

#: After how long a counter is of no use to anybody: the longest window that a limit may have.
WINDOW_MAX = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """Say how often something may be tried within a window of time, and by whom."""

    #: What is limited, and for whom; kept as a keyed hash alone.
    scope: str
    times: int
    window: timedelta

    @property
    def hashed_scope(self) -> str:
        """Give what the counter is called, so that the table names nobody."""
        secret = conf.INVITATION_SIGNING_KEYS[0]
        salt = "invitation:throttle"
        return salted_hmac(salt, self.scope, secret=secret, algorithm="sha256").hexdigest()


def attempt(limits: Sequence[Limit]) -> None:
    """Count an attempt, before it is made. Raises ``TooManyAttempts`` at the first full counter.

    The narrowest limit comes first: whoever is stopped by it takes nothing from the others, and who
    is stopped by a wider one gets back what the narrower ones have counted.
    """
    now = timezone.now()
    for place, limit in enumerate(limits):
        if not ThrottleCounter.objects.hit(limit.hashed_scope, limit.times, limit.window, now):
            take_back(limits[:place])
            raise TooManyAttempts(seconds=int(limit.window.total_seconds()))


def is_full(limit: Limit) -> bool:
    """Tell whether another attempt would be one too many; counts nothing."""
    return ThrottleCounter.objects.is_full(
        limit.hashed_scope, limit.times, limit.window, timezone.now()
    )


def take_back(limits: Sequence[Limit]) -> None:
    """Take a counted attempt back: it was none of those that are limited."""
    for limit in limits:
        ThrottleCounter.objects.take_back(limit.hashed_scope)
