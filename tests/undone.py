"""Let the database undo transactions at their commit, as a cluster may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from django.db import OperationalError, connection

CONFLICT = (1213, "Deadlock found when trying to get lock; try restarting transaction")


@contextmanager
def undone_commits(
    times: int, *error: object, meanwhile: Callable[[], object] = lambda: None, first: int = 0
) -> Iterator[list[bool]]:
    """Roll back so many commits and raise this error; collect whether each commit was kept.

    The ``first`` commits are kept. ``meanwhile`` is what another process does after a rollback.
    """
    commit, commits = connection._commit, list[bool]()

    def fail() -> None:
        commits.append(not first <= len(commits) < first + times)
        if not commits[-1]:
            connection.connection.rollback()
            with mock.patch.object(connection, "in_atomic_block", False):
                meanwhile()
            connection.connection.commit()  # what the other process did
            raise OperationalError(*(error or CONFLICT))
        commit()

    with mock.patch.object(connection, "_commit", fail):
        yield commits
