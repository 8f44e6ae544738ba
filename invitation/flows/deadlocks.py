"""Do a step again that the database has ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction

T = TypeVar("T")

#: How often a step is tried that the database ends because of a deadlock.
DEADLOCK_TRIES = 5
#: Seconds to wait before the next try, at most: what has met here shall not do so again.
DEADLOCK_PAUSE = 0.02


def in_transaction(step: Callable[[], T]) -> T:
    """Do one step in a transaction, and again if the database ended it to end a deadlock.

    Rows are locked in the order of their keys, but a database that reads a small table as a whole
    may wait for rows that nobody asked for.
    """
    own = not transaction.get_connection().in_atomic_block
    for tried in range(1, DEADLOCK_TRIES):
        try:
            with transaction.atomic():
                return step()
        except OperationalError as error:
            # In somebody else's transaction, his work is gone with ours.
            if not own or "deadlock" not in str(error).lower():
                raise
            time.sleep(DEADLOCK_PAUSE * tried * secrets.randbelow(1000) / 1000)
    with transaction.atomic():
        return step()
