"""Let an email that nobody wants take as long as any other.

Otherwise a member could tell by their watch who wants no invitations: by how long a request takes,
or by when a page says that the email was sent.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict, deque

from invitation.delivery.base import get_delivery

#: How many seconds the latest emails took in this process, by whether they left.
_LATEST: dict[bool, deque[float]] = defaultdict(lambda: deque(maxlen=50))
#: Before the first one has left.
USUAL = 0.2
#: Nobody waits longer for nothing.
LONGEST = 5.0


def note(seconds: float, *, left: bool = True) -> None:
    """Remember how long an email took to leave, or to be refused in place of that."""
    _LATEST[left].append(seconds)


def pass_time(spent: float = 0.0, *, left: bool = True, watched: bool = True) -> None:
    """Wait until as much time is spent as one of the latest emails of the kind took.

    One at random, because they differ. ``watched`` says that a member waits for it now.
    """
    known = _LATEST[left]
    took = secrets.choice(known) if known else (USUAL if left and watched else 0.0)
    wait = min(took, LONGEST) - spent
    if wait > 0:
        time.sleep(wait)


def seem_to_send() -> None:
    """Take the time of an email and send none. Raises ``DeliveryUnavailable`` if none can leave."""
    begun = time.monotonic()
    with get_delivery() as delivery:
        delivery.reach()
    pass_time(time.monotonic() - begun)
