"""Let a mail that nobody wants take as long as one that leaves, where a member waits for it.

Else he could tell by his watch who wants no invitations: the others' mail servers take a while.
"""

from __future__ import annotations

import secrets
import time
from collections import deque

from invitation.delivery.base import get_delivery

#: How many seconds the latest mails took that left in this process.
_LATEST: deque[float] = deque(maxlen=50)
#: Before the first one has left.
USUAL = 0.2
#: Nobody waits longer for nothing.
LONGEST = 5.0


def note(seconds: float) -> None:
    """Remember how long a mail took to leave."""
    _LATEST.append(seconds)


def pass_time(since: float | None = None) -> None:
    """Wait for as long as one of the latest mails took, whichever: they differ.

    ``since`` is when that began, as ``time.monotonic()`` counts.
    """
    took = min(secrets.choice(_LATEST) if _LATEST else USUAL, LONGEST)
    time.sleep(took if since is None else max(0.0, took - (time.monotonic() - since)))


def seem_to_send() -> None:
    """Do what a mail costs, and send none; raises ``DeliveryUnavailable`` where none can leave."""
    begun = time.monotonic()
    with get_delivery() as delivery:
        delivery.reach()
    pass_time(begun)
