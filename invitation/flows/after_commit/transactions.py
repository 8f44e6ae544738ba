"""Send signals after the commit, and repeat a step that the database ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connections, router, transaction
from django.dispatch import Signal

from invitation.models import InvitationKey

#: Rows that one step of the cleanup works on. It limits memory and the time that locks are held.
BATCH_SIZE = 500
P = ParamSpec("P")
T = TypeVar("T")

#: Number of times a step is tried if the database ends it because of a deadlock.
DEADLOCK_TRIES = 5
#: Longest pause in seconds after the first try. It grows with each try. It is random, so that the
#: same steps do not meet again.
DEADLOCK_PAUSE = 0.02
#: Shortest time in seconds to wait for SQLite's one lock. A server ends a request after 30.
LOCK_SECONDS = 20

#: Errors after which a transaction can be repeated. ``STATES`` are the SQLSTATE codes for a
#: deadlock and a failed serialization. ``NUMBERS`` are the codes of MariaDB and MySQL for a
#: deadlock and a changed row.
STATES = frozenset({"40P01", "40001"})
NUMBERS = frozenset({1020, 1213})


def database() -> str:
    """Return the alias of the database that invitations are written to."""
    return router.db_for_write(InvitationKey)


@contextmanager
def writing() -> Iterator[None]:
    """Run the block in one transaction that will write.

    SQLite lets one writer in. A transaction that reads first fails at once if another one has
    written before its first write. So this transaction takes the lock when it begins. It waits for
    the lock longer than the connection does. Nothing has been done by then, so nothing must be
    repeated. Inside another transaction, this is a savepoint.
    """
    connection = connections[database()]
    with ExitStack() as stack:
        if connection.vendor == "sqlite" and not connection.in_atomic_block:
            _take_turn(connection, stack)
        else:
            stack.enter_context(transaction.atomic(using=connection.alias))
        yield


def _take_turn(connection: Any, stack: ExitStack) -> None:
    """Begin a transaction on SQLite with its lock; raise SQLite's error if that takes too long."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with connection.execute_wrapper(_at_once):
                stack.enter_context(transaction.atomic(using=connection.alias))
        except OperationalError as error:
            if not is_locked(error) or time.monotonic() >= until:
                raise
            _pause(1)
        else:
            return


def _at_once(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Make a transaction take the lock as it begins, unless the site sets how it begins."""
    return execute("BEGIN IMMEDIATE" if sql == "BEGIN" else sql, params, many, context)


def retrying(verb: Callable[P, T]) -> Callable[P, T]:
    """Return the function, repeated if the database ends its transaction because of a deadlock.

    Rows are locked in the order of their keys. But a database that reads a small table as a whole
    may wait for other rows. The function must create or read again what it writes. A row in memory
    does not know that its transaction was rolled back.
    """

    @wraps(verb)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        own = not connections[database()].in_atomic_block
        for tried in range(1, DEADLOCK_TRIES):
            try:
                return verb(*args, **kwargs)
            except OperationalError as error:
                # Inside another transaction, a rollback also loses the work of its owner.
                if not own or not may_be_tried_again(error):
                    raise
                _pause(tried)
        return verb(*args, **kwargs)

    return done


@retrying
def in_transaction(step: Callable[[], T]) -> T:
    """Run one step in a transaction, and repeat it after a deadlock."""
    with writing():
        return step()


def may_be_tried_again(error: OperationalError) -> bool:
    """Return whether the database ended a transaction that did nothing wrong.

    It looks at the error code, because a server's message may be in any language. psycopg calls the
    code ``sqlstate``, and psycopg2 calls it ``pgcode``.
    """
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = error.args[0] if error.args else None
    named = "deadlock" in str(error).lower()
    return named or state in STATES or number in NUMBERS or is_locked(error)


def is_locked(error: OperationalError) -> bool:
    """Return whether SQLite's lock was not available in time."""
    return str(error).startswith("database") and str(error).endswith("is locked")


def _pause(tried: int) -> None:
    time.sleep(DEADLOCK_PAUSE * tried * secrets.randbelow(1000) / 1000)


def announce(signal: Signal, **arguments: Any) -> None:
    """Send a signal once the transaction is committed. Log a receiver that raises."""
    on_commit(lambda: signal.send_robust(sender=InvitationKey, **arguments))


def on_commit(step: Callable[[], Any]) -> None:
    """Do this once the transaction is committed. Log a step that raises."""
    transaction.on_commit(step, using=database(), robust=True)


def roll_back() -> None:
    """Let the transaction, or its innermost savepoint, be rolled back at the end of its block."""
    transaction.set_rollback(True, using=database())
