"""Let the database undo transactions at their commit, as a cluster may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection

from invitation.flows import arriving

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


@contextmanager
def undone_claims(times: int, **meanwhile: Any) -> Iterator[list[bool]]:
    """Undo so many transactions that claim an invitation; collect whether each was kept."""
    claiming, kept = arriving.claiming, list[bool]()

    @contextmanager
    def claim(*args: Any, **kwargs: Any) -> Iterator[Any]:
        kept.append(len(kept) >= times)
        with ExitStack() as stack:
            if not kept[-1]:
                stack.enter_context(undone_commits(1, **meanwhile))
            yield stack.enter_context(claiming(*args, **kwargs))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arriving, "claiming", claim)
        yield kept
