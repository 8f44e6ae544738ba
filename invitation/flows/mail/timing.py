"""Waiting times that make a suppressed email take as long as any other.

Without them, a member could find out who wants no invitations. They could measure how long a
request takes, or when a page says that the email was sent.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict, deque
from collections.abc import Sequence

from invitation.delivery.base import get_delivery

#: Seconds that the latest emails took in this process, by whether they left.
_LATEST: dict[bool, deque[float]] = defaultdict(lambda: deque(maxlen=50))
#: Seconds to assume before the first email has left.
USUAL = 0.2
#: Most seconds to wait for an email that is not sent.
LONGEST = 5.0


def remember(seconds: float, *, left: bool = True) -> None:
    """Record how many seconds an email took to leave, or to be refused.

    ``left`` is ``False`` if it was refused.
    """
    _LATEST[left].append(seconds)


def wait(
    spent: float = 0.0, *, left: bool = True, watched: bool = True, like: Sequence[float] = ()
) -> None:
    """Wait until as many seconds have passed as one of the latest emails of this kind took.

    The function picks one at random, because they differ. ``spent`` is the number of seconds that
    have passed already. ``watched`` says that a member waits for it now. ``like`` holds the times
    of the caller's own kind, if it knows any.
    """
    known = like or _LATEST[left]
    took = secrets.choice(known) if known else (USUAL if left and watched else 0.0)
    wait = min(took, LONGEST) - spent
    if wait > 0:
        time.sleep(wait)


def seem_to_send() -> None:
    """Take the time of an email and send none.

    Raises ``DeliveryUnavailable`` if no email can leave.
    """
    begun = time.monotonic()
    with get_delivery() as delivery:
        delivery.reach()
    wait(time.monotonic() - begun)
