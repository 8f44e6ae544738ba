"""Statements that are built once do what their querysets do, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models.expressions import Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.models import InvitationKey, managers
from invitation.models.managers import invitations
from invitation.models.statements import Select, Update
from tests.factories import make_invitation, make_user

pytestmark = pytest.mark.django_db

Values = dict[str, Any]


def of_invitation(row: InvitationKey) -> Values:
    return {"locator": row.locator, "site_id": row.site_id}


def of_a_use(row: InvitationKey) -> Values:
    return {"pk": row.pk, "locator": row.locator, "now": timezone.now()}


#: For each statement: its model, its options, and its values for an invitation.
CASES: list[tuple[str, Any, type[models.Model], tuple[Any, ...], Callable[[Any], Values]]] = [
    ("OF_LOCATOR", invitations.OF_LOCATOR, InvitationKey, (False,), of_invitation),
    ("OF_LOCATOR", invitations.OF_LOCATOR, InvitationKey, (True,), of_invitation),
    ("TAKING_A_USE", invitations.TAKING_A_USE, InvitationKey, (True,), of_a_use),
    ("TAKING_A_USE", invitations.TAKING_A_USE, InvitationKey, (False,), of_a_use),
]
SELECTS = [case for case in CASES if isinstance(case[1], Select)]
UPDATES = [case for case in CASES if isinstance(case[1], Update)]


def statements() -> Iterator[str]:
    """Yield the names of all statements of the managers."""
    for module in iter_modules(managers.__path__, managers.__name__ + "."):
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, Select | Update):
                yield name


def by_django(statement: Any, model: Any, options: tuple[Any, ...], values: Values) -> Any:
    """Return what the statement is built from, with the values themselves."""
    given = {name: Value(values[name], field) for name, field in statement.fields.items()}
    return statement.build(model._default_manager.all(), *options, **given)


def asked(do: Callable[[], Any]) -> str:
    """Return the one statement that the database is asked."""
    with CaptureQueriesContext(connection) as queries:
        do()
    [query] = queries.captured_queries
    sql: str = query["sql"]
    return sql


@pytest.fixture
def row(settings: Any) -> InvitationKey:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = True
    return make_invitation(make_user("ann"), max_uses=3)


def test_there_is_a_case_for_each_statement() -> None:
    assert {case[0] for case in CASES} == set(statements())


@pytest.mark.parametrize(("name", "statement", "model", "options", "of"), SELECTS)
def test_a_select_asks_and_returns_what_its_queryset_does(
    row: InvitationKey, settings: Any, name: str, statement: Any, model: Any, options: Any, of: Any
) -> None:
    manager = model._default_manager
    for _ in range(2):  # built, and used again
        rows = by_django(statement, model, options, of(row))
        values = of(row)
        assert asked(partial(statement.all, manager, *options, **values)) == asked(rows.__len__)
        found = statement.all(manager, *options, **values)
        assert found == list(rows)
        for one, other in zip(found, rows, strict=True):
            assert everything(one) == everything(other)
    assert found


def everything(one: Any) -> dict[str, Any]:
    """Return all attributes of an object, and those of the objects that it was selected with."""
    shown = vars(one).copy()
    state = shown.pop("_state")
    related = {name: everything(other) for name, other in state.fields_cache.items() if other}
    return shown | {"related": related, "state": (state.adding, state.db)}


@pytest.mark.parametrize(("name", "statement", "model", "options", "of"), UPDATES)
def test_an_update_asks_and_writes_what_its_queryset_does(
    row: InvitationKey, settings: Any, name: str, statement: Any, model: Any, options: Any, of: Any
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = options == (True,)
    for _ in range(2):
        values = of(row)
        rows, changes = by_django(statement, model, options, values)
        by_queryset = effect(model, partial(rows.update, **changes))
        ours = partial(statement.run, model._default_manager, *options, **values)
        assert effect(model, ours) == by_queryset


def effect(model: type[models.Model], run: Callable[[], int]) -> tuple[str, int, list[Any]]:
    """Return the statement, the number of rows it found and all rows after it; undo it."""
    counted: list[int] = []
    with transaction.atomic():
        sql = asked(lambda: counted.append(run()))
        written = list(model._default_manager.order_by("pk").values())
        transaction.set_rollback(True)
    [count] = counted
    assert count
    return sql, count, written


# -- what any statement can do --

OF_EMAIL = Select(
    lambda rows, email: rows.filter(email=email).order_by("pk").values_list("pk", "uses", "data"),
    email=models.CharField(),
)
NOTING = Update(
    lambda rows, pk, note: (rows.filter(pk=pk), {"note": note, "ended_at": None}),
    pk=models.BigIntegerField(),
    note=models.TextField(),
)
LOCKED = Select(
    lambda rows, pk: rows.filter(pk=pk).select_for_update(),
    locking=True,
    pk=models.BigIntegerField(),
)


def test_a_select_of_values_returns_tuples(row: InvitationKey) -> None:
    found = OF_EMAIL.all(InvitationKey.objects, email=row.email)
    assert found == [(row.pk, 0, {})]
    assert OF_EMAIL.first(InvitationKey.objects, email="nobody@example.org") is None


def test_a_row_without_the_other_object_has_none() -> None:
    row = make_invitation()
    found = InvitationKey.objects.find(row.locator, 1)
    assert found is not None
    assert found.from_user is None


def test_the_objects_are_written_where_they_were_read(row: InvitationKey) -> None:
    found = InvitationKey.objects.find(row.locator, 1)
    assert found is not None
    found.note = "changed"
    found.save()
    row.refresh_from_db()
    assert row.note == "changed"


def test_a_statement_for_writing_locks_its_rows(row: InvitationKey) -> None:
    with transaction.atomic():
        assert LOCKED.first(InvitationKey.objects, pk=row.pk) == row
        sql = asked(lambda: LOCKED.first(InvitationKey.objects, pk=row.pk))
    assert ("FOR UPDATE" in sql) == connection.features.has_select_for_update


class Away:
    """A router that sends everything to a database that there is not."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Name the database for reading."""
        return "read"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Name the database for writing."""
        return "written"


def test_the_router_chooses_the_database_for_writing(row: InvitationKey, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Away()]
    for alias, run in (
        ("written", lambda manager: OF_EMAIL.first(manager, email="")),
        ("written", lambda manager: LOCKED.first(manager, pk=row.pk)),
        ("written", lambda manager: NOTING.run(manager, pk=row.pk, note="")),
    ):
        with pytest.raises(Exception, match=f"'{alias}' doesn't exist"):
            run(InvitationKey.objects)
        run_here = InvitationKey.objects.db_manager("default")
        with transaction.atomic():
            run(run_here)


def test_a_related_manager_gives_only_the_database(row: InvitationKey) -> None:
    other = make_user("bob")
    found = OF_EMAIL.all(other.invitations_sent, email=row.email)
    assert [pk for pk, *_ in found] == [row.pk]


def test_each_value_of_an_option_has_its_own_statement(row: InvitationKey, settings: Any) -> None:
    type(row.from_user)._default_manager.filter(pk=row.from_user_id).update(is_active=False)
    now = timezone.now()
    assert not InvitationKey.objects.claim_use(row.pk, row.locator, now)
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    assert InvitationKey.objects.claim_use(row.pk, row.locator, now)
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = True
    assert not InvitationKey.objects.claim_use(row.pk, row.locator, now)


def test_times_are_those_of_the_setting(settings: Any, row: InvitationKey) -> None:
    for aware in (True, False, True):
        settings.USE_TZ = aware
        found = InvitationKey.objects.find(row.locator, 1)
        assert found is not None
        assert timezone.is_aware(found.date_invited) is aware


def test_a_wrapper_sees_the_statement(row: InvitationKey) -> None:
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        OF_EMAIL.first(InvitationKey.objects, email="")
        NOTING.run(InvitationKey.objects, pk=row.pk, note="")
    assert [sql.split()[0] for sql in seen] == ["SELECT", "UPDATE"]


def test_an_update_that_fails_ends_the_transaction(row: InvitationKey) -> None:
    using_up = Update(lambda rows, pk: (rows.filter(pk=pk), {"uses": 9}), pk=models.IntegerField())
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            using_up.run(InvitationKey.objects, pk=row.pk)
        assert connection.needs_rollback


def test_threads_may_use_a_statement_at_once(row: InvitationKey) -> None:
    # What is built has no connection of its own: a statement built here serves another thread.
    statement = Select(lambda rows, pk: rows.filter(pk=pk), pk=models.IntegerField())
    built: list[Any] = []

    def build() -> None:
        built.append(statement._on(InvitationKey.objects, "default", ())[1])

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    assert statement.first(InvitationKey.objects, pk=row.pk) == row
    assert statement._on(InvitationKey.objects, "default", ())[1] is built[0]
