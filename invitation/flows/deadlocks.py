"""Begin a transaction when its turn has come, and do a step again that the database has ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, transaction

P = ParamSpec("P")
T = TypeVar("T")

#: How often a step is tried that the database ends because of a deadlock.
DEADLOCK_TRIES = 5
#: Seconds to wait before the next try, at most: what has met here shall not do so again.
DEADLOCK_PAUSE = 0.02
#: Seconds to wait for SQLite's one lock, at least. A server gives up on a request after 30.
LOCK_SECONDS = 20

#: What ends a transaction that may be done again: deadlock and failed serialization in SQLSTATE,
#: MariaDB's and MySQL's numbers for a deadlock and for a row that has changed.
STATES = frozenset({"40P01", "40001"})
NUMBERS = frozenset({1020, 1213})


@contextmanager
def writing() -> Iterator[None]:
    """Do what is in the block in one transaction that will write.

    SQLite lets one writer in. Who reads first and wants to write later is refused at once if
    another one has written meanwhile. So a transaction of our own takes the lock when it begins,
    and waits for it longer than the connection does. Nothing has been done by then, so nothing has
    to be made again. Inside of another transaction this is a savepoint.
    """
    connection = transaction.get_connection()
    with ExitStack() as stack:
        if connection.vendor == "sqlite" and not connection.in_atomic_block:
            _take_turn(connection, stack)
        else:
            stack.enter_context(transaction.atomic())
        yield


def _take_turn(connection: Any, stack: ExitStack) -> None:
    """Begin a transaction on SQLite with its lock; raises its error if that takes too long."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with connection.execute_wrapper(_at_once):
                stack.enter_context(transaction.atomic())
        except OperationalError as error:
            if not is_locked(error) or time.monotonic() >= until:
                raise
            _pause(1)
        else:
            return


def _at_once(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Let a transaction take the lock as it begins, unless the site has said how it begins."""
    return execute("BEGIN IMMEDIATE" if sql == "BEGIN" else sql, params, many, context)


def retrying(verb: Callable[P, T]) -> Callable[P, T]:
    """Return the verb, done again if the database has ended its transaction to end a deadlock.

    Rows are locked in the order of their keys, but a database that reads a small table as a whole
    may wait for rows that nobody asked for. The verb has to make anew, or read anew, what it
    writes: a row in memory does not know that its transaction was rolled back.
    """

    @wraps(verb)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        own = not transaction.get_connection().in_atomic_block
        for tried in range(1, DEADLOCK_TRIES):
            try:
                return verb(*args, **kwargs)
            except OperationalError as error:
                # In somebody else's transaction, their work is gone with ours.
                if not own or not may_be_tried_again(error):
                    raise
                _pause(tried)
        return verb(*args, **kwargs)

    return done


@retrying
def in_transaction(step: Callable[[], T]) -> T:
    """Do one step in a transaction, and again if the database ended it to end a deadlock."""
    with writing():
        return step()


def may_be_tried_again(error: OperationalError) -> bool:
    """Tell whether the database has ended a transaction for no fault of its own.

    By its code, as a server says it in the language of its country. ``sqlstate`` is what psycopg
    calls that, ``pgcode`` what psycopg2 does.
    """
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = error.args[0] if error.args else None
    named = "deadlock" in str(error).lower()
    return named or state in STATES or number in NUMBERS or is_locked(error)


def is_locked(error: OperationalError) -> bool:
    """Tell whether SQLite's lock was not to be had in time."""
    return str(error).startswith("database") and str(error).endswith("is locked")


def _pause(tried: int) -> None:
    time.sleep(DEADLOCK_PAUSE * tried * secrets.randbelow(1000) / 1000)
