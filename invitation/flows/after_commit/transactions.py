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

from invitation.exceptions import Busy
from invitation.models import InvitationKey

#: Rows that one step of the cleanup works on. It limits memory and the time that locks are held.
BATCH_SIZE = 500
P = ParamSpec("P")
T = TypeVar("T")

#: Number of times a step is tried if the database undoes it because of others.
TRIES = 20
#: Longest pause in seconds after the first try. It doubles with each try, up to ``PAUSE_MAX``. It
#: is random, so that the same steps do not meet again.
PAUSE = 0.02
PAUSE_MAX = 0.8
#: Time in seconds after which no step is tried again. A server ends a request after 30.
REPEAT_SECONDS = 20
#: Shortest time in seconds to wait for SQLite's one lock.
LOCK_SECONDS = 20

#: SQLSTATE codes of PostgreSQL for a failed serialization, a deadlock, and a lock that was not
#: available in time.
STATES = frozenset({"40001", "40P01", "55P03"})
#: Codes of MariaDB and MySQL for a changed row, a lock that was not available in time, a deadlock,
#: and a transaction that a group of servers refused. A Galera cluster reports a conflict with
#: another node as a deadlock, also at the commit.
NUMBERS = frozenset({1020, 1205, 1213, 3101})
#: Code of a Galera node that has lost its cluster. No other try on this connection helps.
NOT_READY = 1047


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
    own = not connection.in_atomic_block
    committed: list[bool] = []
    try:
        with ExitStack() as stack:
            if own and connection.vendor == "sqlite":
                _take_turn(connection, stack)
            else:
                stack.enter_context(transaction.atomic(using=connection.alias))
            if own:
                transaction.on_commit(lambda: committed.append(True), using=connection.alias)
            yield
    except OperationalError as error:
        # It comes from a callback of the site. The transaction itself must not be repeated.
        vars(error)["committed"] = bool(committed)
        raise


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
    """Return the function, repeated if the database undoes its transaction; see ``repeat``."""

    @wraps(verb)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        return repeat(lambda: verb(*args, **kwargs))

    return done


def repeat(attempt: Callable[[], T]) -> T:
    """Call a function, and call it again if the database undoes its transaction because of others.

    Rows are locked in the order of their keys. But a database that reads a small table as a whole
    may wait for other rows. A stricter isolation level or another node of a cluster may refuse a
    transaction even at its commit.

    The function must create or read again what it writes. A row in memory does not know that its
    transaction was rolled back. Inside another transaction nothing is repeated, because a rollback
    also loses the work of its owner.

    Raises ``Busy`` after the last try. Nothing has changed then.
    """
    if connections[database()].in_atomic_block:
        return attempt()
    until = time.monotonic() + REPEAT_SECONDS
    tried = 1
    while True:
        try:
            return attempt()
        except OperationalError as error:
            if not is_conflict(error):
                raise
            if tried >= TRIES or time.monotonic() >= until:
                raise Busy() from error
        _pause(tried)
        tried += 1


@retrying
def in_transaction(step: Callable[[], T]) -> T:
    """Run one step in a transaction, and repeat it if the database undoes it."""
    with writing():
        return step()


def is_conflict(error: OperationalError) -> bool:
    """Return whether the database undid a transaction that did nothing wrong.

    It looks at the error code, because a server's message may be in any language. psycopg calls the
    code ``sqlstate``, and psycopg2 calls it ``pgcode``.
    """
    if vars(error).get("committed"):
        return False
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    named = "deadlock" in str(error).lower()
    return named or state in STATES or _number(error) in NUMBERS or is_locked(error)


def is_unavailable(error: OperationalError) -> bool:
    """Return whether another try later may succeed: after a conflict, or on a node that is back."""
    return is_conflict(error) or _number(error) == NOT_READY


def _number(error: OperationalError) -> object:
    return error.args[0] if error.args else None


def is_locked(error: OperationalError) -> bool:
    """Return whether SQLite's lock was not available in time."""
    return str(error).startswith("database") and str(error).endswith("is locked")


def _pause(tried: int) -> None:
    longest = min(PAUSE * 2 ** (tried - 1), PAUSE_MAX)
    time.sleep(longest * secrets.randbelow(1000) / 1000)


def catch_up() -> bool:
    """Wait until this node of a Galera cluster knows what the others have committed.

    Returns whether there is a cluster. Without one, there is nothing to wait for.
    """
    connection: Any = connections[database()]
    if not getattr(connection, "mysql_is_mariadb", False):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        if dict(cursor.fetchall()).get("wsrep_on") != "ON":
            return False
        cursor.execute("SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 1")
        return True


def announce(signal: Signal, **arguments: Any) -> None:
    """Send a signal once the transaction is committed. Log a receiver that raises."""
    on_commit(lambda: signal.send_robust(sender=InvitationKey, **arguments))


def on_commit(step: Callable[[], Any]) -> None:
    """Do this once the transaction is committed. Log a step that raises."""
    transaction.on_commit(step, using=database(), robust=True)


def roll_back() -> None:
    """Let the transaction, or its innermost savepoint, be rolled back at the end of its block."""
    transaction.set_rollback(True, using=database())
