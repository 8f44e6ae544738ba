"""A transaction begins with SQLite's lock, and is done again where the database undid it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction

from invitation.exceptions import Busy
from invitation.flows.after_commit import in_transaction, retrying, transactions, writing
from invitation.flows.after_commit.transactions import TRIES, is_conflict, is_unavailable
from tests.undone import CONFLICT, undone_commits

pytestmark = pytest.mark.django_db(transaction=True)
only_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has one lock")


def statements_of(block: Any) -> list[str]:
    """Return what a block sends to the database."""
    sent: list[str] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        sent.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(note):
        block()
    return sent


def write() -> None:
    with writing():
        Group.objects.create(name="one")


@only_sqlite
def test_a_transaction_begins_with_the_lock() -> None:
    seen: list[str] = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(seen.append)
    try:
        write()
    finally:
        connection.connection.set_trace_callback(None)
    assert seen[0] == "BEGIN IMMEDIATE"
    assert Group.objects.count() == 1


@only_sqlite
def test_what_the_site_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.get_connection(), "transaction_mode", "EXCLUSIVE")
    assert statements_of(write)[0] == "BEGIN EXCLUSIVE"


def test_within_a_transaction_it_is_a_savepoint() -> None:
    def block() -> None:
        with transaction.atomic():
            with suppress(ZeroDivisionError), writing():
                Group.objects.create(name="gone")
                raise ZeroDivisionError
            Group.objects.create(name="kept")

    assert any(sql.startswith("SAVEPOINT") for sql in statements_of(block))
    assert [group.name for group in Group.objects.all()] == ["kept"]


@contextmanager
def locked(times: int) -> Iterator[list[str]]:
    """Let so many transactions find the database locked; collect those that tried to begin."""
    begun: list[str] = []

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("BEGIN"):
            begun.append(sql)
            if len(begun) <= times:
                raise OperationalError("database is locked")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        yield begun


@only_sqlite
def test_it_waits_for_whoever_writes() -> None:
    with locked(3) as begun:
        write()
    assert len(begun) == 4
    assert Group.objects.count() == 1


@only_sqlite
def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "LOCK_SECONDS", 0)
    with locked(1), pytest.raises(OperationalError, match="database is locked"):
        write()
    write()
    assert Group.objects.count() == 1


@only_sqlite
def test_another_error_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction.get_connection(), "transaction_mode", "NONSENSE")
    with pytest.raises(OperationalError, match="NONSENSE"):
        write()


def failed(*args: Any, **codes: str) -> OperationalError:
    error = OperationalError(*args)
    cause = Exception()
    vars(cause).update(codes)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (failed("Verklemmung (Deadlock) entdeckt"), True),
        (failed("Blockierung festgestellt", sqlstate="40P01"), True),
        (failed("could not serialize access", sqlstate="40001"), True),
        (failed("interblocage", pgcode="40P01"), True),
        (failed(1213, "Interblocage"), True),
        (failed(1020, "Record has changed since last read"), True),
        (failed(1205, "Lock wait timeout exceeded"), True),
        (failed(3101, "Plugin instructed the server to rollback"), True),
        (failed("canceling statement due to lock timeout", sqlstate="55P03"), True),
        (failed("database is locked"), True),
        (failed("database table is locked"), True),
        (failed("server has gone away"), False),
        (failed(1047, "WSREP has not yet prepared node for application use"), False),
        (failed(), False),
    ],
    ids=str,
)
def test_what_is_tried_again(error: OperationalError, again: bool) -> None:
    assert is_conflict(error) is again


def test_a_node_without_its_cluster_may_be_there_later() -> None:
    assert is_unavailable(failed(1047, "WSREP has not yet prepared node for application use"))
    assert is_unavailable(failed(*CONFLICT))
    assert not is_unavailable(failed("server has gone away"))


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody pause between two tries."""
    monkeypatch.setattr(transactions, "PAUSE", 0)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(("times", "tries"), [(0, 1), (2, 3), (TRIES - 1, TRIES)])
def test_a_verb_is_done_again(times: int, tries: int) -> None:
    state = SimpleNamespace(tries=0)

    @retrying
    def verb(word: str, *, more: str) -> str:
        state.tries += 1
        if state.tries <= times:
            raise failed("deadlock detected")
        return word + more

    assert verb("o", more="k") == "ok"
    assert state.tries == tries


def test_what_was_written_before_is_rolled_back() -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        Group.objects.create(name="once")
        if len(tries) < 3:
            raise failed("deadlock detected")

    in_transaction(step)
    assert (len(tries), Group.objects.count()) == (3, 1)


def create(done: list[str]) -> Group:
    transaction.on_commit(lambda: done.append("callback"))
    return Group.objects.create(name="one")


def test_a_commit_that_is_refused_is_done_again_and_its_callbacks_run_once() -> None:
    done: list[str] = []
    with undone_commits(2) as commits:
        group = in_transaction(lambda: create(done))
    assert commits == [False, False, True]
    assert list(Group.objects.all()) == [group]
    assert done == ["callback"]


@pytest.mark.usefixtures("hurry")
def test_after_so_many_tries_it_says_that_nothing_has_changed() -> None:
    done: list[str] = []
    with undone_commits(TRIES) as commits, pytest.raises(Busy) as caught:
        in_transaction(lambda: create(done))
    assert commits == [False] * TRIES
    assert isinstance(caught.value.__cause__, OperationalError)
    assert (Group.objects.exists(), done) == (False, [])


def test_after_so_much_time_it_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "REPEAT_SECONDS", 0)
    with undone_commits(1) as commits, pytest.raises(Busy):
        in_transaction(lambda: create([]))
    assert commits == [False]


def test_in_the_transaction_of_somebody_else_nothing_is_repeated() -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        raise failed("deadlock detected")

    with pytest.raises(OperationalError), transaction.atomic():
        in_transaction(step)
    assert tries == [1]


def test_what_is_committed_is_not_repeated_for_the_error_of_a_callback() -> None:
    """A callback of the site may meet a conflict of its own, after our commit."""

    def step() -> None:
        Group.objects.create(name="one")

        def fail() -> None:
            raise failed("deadlock detected")

        transaction.on_commit(fail)

    with pytest.raises(OperationalError):
        in_transaction(step)
    assert Group.objects.count() == 1


def test_another_error_at_the_commit_is_not_repeated() -> None:
    with undone_commits(1, "server has gone away") as commits, pytest.raises(OperationalError):
        in_transaction(lambda: create([]))
    assert commits == [False]
