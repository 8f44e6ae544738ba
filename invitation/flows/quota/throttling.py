"""Limits on how often something may be tried, counted in the database without a cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar

from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from invitation.conf import conf
from invitation.exceptions import InvitationError, KeyRefused, TooManyAttempts
from invitation.flows.after_commit import in_transaction
from invitation.models import ThrottleCounter

Found = TypeVar("Found")

#: The longest window of a limit. Older counters are useless.
WINDOW_MAX = timedelta(days=1)


class Limit(NamedTuple):
    """Limit on how often one party may try something within a window of time."""

    #: What is limited, and for whom. Only a keyed hash of it is stored.
    scope: str
    times: int
    window: timedelta

    @property
    def hashed_scope(self) -> bytes:
        """Name of the counter, hashed so that the table names nobody."""
        secret = conf.INVITATION_SIGNING_KEYS[0]
        salt = "invitation:throttle"
        return salted_hmac(salt, self.scope, secret=secret, algorithm="sha256").digest()


def attempt(limits: Sequence[Limit]) -> None:
    """Count an attempt before it is made; raise ``TooManyAttempts`` at the first full counter.

    Pass the narrowest limit first. An attempt that it refuses does not count for the wider limits.
    If a wider limit refuses, the counts of the narrower ones are taken back.
    """
    now = timezone.now()
    for place, limit in enumerate(limits):
        # Each counter by itself: a transaction over several would hold them in the caller's order.
        hit = partial(
            ThrottleCounter.objects.hit, limit.hashed_scope, limit.times, limit.window, now
        )
        if not in_transaction(hit):
            take_back(limits[:place])
            raise _too_many(_seconds_left(limit, now))


def counting_refusals(limits: Sequence[Limit], action: Callable[[], Found]) -> Found:
    """Run an action that looks something up, and count it only if it raises ``KeyRefused``.

    The counters are locked meanwhile, so simultaneous attempts from one party come one by one. None
    of them is refused because of another that is right. Raises ``TooManyAttempts`` at the first
    full counter, without running the action, and what the action raises.

    Pass the narrowest limit first, always in the same order: the counters are locked in it.
    """
    result = in_transaction(partial(_try, limits, action))
    if isinstance(result, InvitationError):
        raise result
    return result


def _try(limits: Sequence[Limit], action: Callable[[], Found]) -> Found | InvitationError:
    """Return what the action found, or the error that it raised.

    An exception would undo the counting.
    """
    now, counters = timezone.now(), ThrottleCounter.objects
    for limit in limits:
        if not counters.hold_with_room(limit.hashed_scope, limit.times, limit.window, now):
            return _too_many(_seconds_left(limit, now))
    try:
        return action()
    except KeyRefused as refusal:
        for limit in limits:
            counters.hit_held(limit.hashed_scope, limit.times, limit.window, now)
        return refusal


def _too_many(seconds: int) -> TooManyAttempts:
    """Return the error that says when to try again."""
    minutes = math.ceil(seconds / 60)
    message = ngettext(
        "Too many codes were wrong. Try again in %(count)d minute.",
        "Too many codes were wrong. Try again in %(count)d minutes.",
        minutes,
    )
    return TooManyAttempts(message % {"count": minutes}, seconds=seconds)


def _seconds_left(limit: Limit, now: datetime) -> int:
    """Return how many seconds a full counter stays full, from 1 to the length of its window."""
    begun = ThrottleCounter.objects.filter(scope=limit.hashed_scope)
    start = begun.values_list("window_start", flat=True).first() or now
    left = math.ceil((start + limit.window - now).total_seconds())
    return min(max(left, 1), math.ceil(limit.window.total_seconds()))


def await_turn(what: str) -> None:
    """Let one transaction at a time do something, until its end; call it in a transaction."""
    scope = Limit(f"turn:{what}", 0, WINDOW_MAX).hashed_scope
    ThrottleCounter.objects.take_turn(scope, timezone.now())


def is_full(limit: Limit) -> bool:
    """Return whether another attempt would exceed the limit; counts nothing."""
    return ThrottleCounter.objects.is_full(
        limit.hashed_scope, limit.times, limit.window, timezone.now()
    )


def take_back(limits: Sequence[Limit]) -> None:
    """Take back a counted attempt that should not count."""
    for limit in limits:
        in_transaction(partial(ThrottleCounter.objects.take_back, limit.hashed_scope))
