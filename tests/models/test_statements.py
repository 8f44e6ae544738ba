"""Statements that are built once do what their querysets do, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models.expressions import Value
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.flows.mail.unsubscribing import digests_of, suppress
from invitation.models import (
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
    managers,
)
from invitation.models import (
    statements as built,
)
from invitation.models.managers import fresh, invitations, leases, mails, spends
from invitation.models.statements import MemberField, Select, Update, write_new
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

Values = dict[str, Any]


def of_invitation(row: InvitationKey) -> Values:
    return {"locator": row.locator, "site_id": row.site_id}


def of_a_use(row: InvitationKey) -> Values:
    return {"pk": row.pk, "locator": row.locator, "now": timezone.now()}


def of_spending(row: InvitationKey) -> Values:
    now = timezone.now()
    quotas = InvitationQuota.objects
    quotas.get_or_create(inviter=row.from_user, defaults={"granted": 2, "period_start": now})
    values = {"inviter": row.from_user_id, "amount": 1, "limit": 0, "slot": b"x" * 15}
    values |= {"email_key": row.email_key, "site_id": row.site_id}
    return values | {"begin": now - DAY, "latest": now}


def of_a_sent_email(row: InvitationKey) -> Values:
    now = timezone.now()
    mail = row.mails.first() or make_mail(row, state="sending", lease_until=now, attempts=1)
    values = {"pk": mail.pk, "until": mail.lease_until, "now": now, "tried_at": now}
    return values | {"attempts": 2, "failure": "", "details": "of course"}


def of_a_held_email(row: InvitationKey) -> Values:
    return {"pk": of_a_sent_email(row)["pk"]}


def of_a_recipient(row: InvitationKey) -> Values:
    suppress(row.email)
    first, *_ = digests_of(row.email)
    return of_a_held_email(row) | {"digest0": first, "digest1": bytes(32)}


def of_sending(row: InvitationKey) -> Values:
    now = timezone.now()
    held, _ = InvitationEmail.objects.get_or_create(
        invitation=row, defaults={"state": "sending", "lease_until": now}
    )
    values = {name: getattr(row, name) for name in fresh.SHOWN}
    values |= {"mail": held.pk, "pk": row.pk, "expires_at": row.expires_at, "digest0": b"x" * 32}
    return values | {"lease_until": held.lease_until}


#: For each statement: its model, its options, and its values for an invitation.
CASES: list[tuple[str, Any, type[models.Model], tuple[Any, ...], Callable[[Any], Values]]] = [
    ("OF_LOCATOR", invitations.OF_LOCATOR, InvitationKey, (False,), of_invitation),
    ("OF_LOCATOR", invitations.OF_LOCATOR, InvitationKey, (True,), of_invitation),
    ("STATE_OF_LOCATOR", invitations.STATE_OF_LOCATOR, InvitationKey, (), of_invitation),
    ("TAKING_A_USE", invitations.TAKING_A_USE, InvitationKey, (True,), of_a_use),
    ("TAKING_A_USE", invitations.TAKING_A_USE, InvitationKey, (False,), of_a_use),
    ("MARKING_SENT", mails.MARKING_SENT, InvitationEmail, (), of_a_sent_email),
    ("SPENDING", spends.SPENDING, InvitationQuota, (False, False, False, False), of_spending),
    ("SPENDING", spends.SPENDING, InvitationQuota, (True, True, True, True), of_spending),
]
SELECTS = [case for case in CASES if isinstance(case[1], Select)]
SELECTS += [
    ("looking", leases.looking(0), InvitationEmail, (), of_a_held_email),
    ("looking", leases.looking(2), InvitationEmail, (), of_a_recipient),
    ("looking", fresh.looking(1), InvitationKey, (True, True), of_sending),
]
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


def everything(one: Any) -> Any:
    """Return a row of values, or all attributes of an object and of those selected with it."""
    if isinstance(one, tuple):
        return one
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


# -- one new object --


def new_rows(row: InvitationKey) -> list[models.Model]:
    """Return new objects of several models, with empty and with other values."""
    given = {"from_user": row.from_user, "email": "Kim@example.org", "data": {"a": [1, None, "ü"]}}
    return [
        InvitationKey(from_user=row.from_user),
        InvitationKey(**given, max_uses=None, allowed_domains=["x.org"], destination="/a/"),
        InvitationKey(code_digest=b"c", pending_slot=b"s", expires_at=timezone.now(), label="l"),
        InvitationEmail(invitation=row),
        InvitationEmail(invitation=row, sent_at=timezone.now(), failure="refused"),
        QuotaEntry(inviter=row.from_user, change=-1, reason="invited", invitation=row),
        QuotaEntry(inviter=row.from_user, change=3, reason="granted"),
    ]


@pytest.mark.anywhere
def test_a_new_object_is_written_as_saving_it_does(row: InvitationKey) -> None:
    for _ in range(2):
        for one in new_rows(row):
            model = type(one)
            values = {
                field.attname: getattr(one, field.attname) for field in model._meta.concrete_fields
            }
            written = []
            for write in (write_new, lambda other: other.save(force_insert=True)):
                with transaction.atomic():
                    other = model(**values)
                    write(other)  # type: ignore[no-untyped-call]
                    assert not other._state.adding
                    found = model._default_manager.get(pk=other.pk)
                    written.append(everything(found) | {"id": None})
                    assert everything(other) | {"id": None} == written[-1]
                    transaction.set_rollback(True)
            assert written[0] == written[1]


def test_each_new_object_has_values_of_its_own(row: InvitationKey) -> None:
    one, other = InvitationKey(), InvitationKey()
    write_new(one)
    write_new(other)
    one.allowed_domains.append("x.org")
    assert other.allowed_domains == []


def test_who_listens_to_django_hears_of_a_new_object(row: InvitationKey) -> None:
    for signal in (pre_save, post_save):
        heard: list[Any] = []

        def hear(instance: Any, heard: list[Any] = heard, **kwargs: Any) -> None:
            heard.append(instance)

        signal.connect(hear, sender=InvitationKey)
        try:
            write_new(one := InvitationKey())
        finally:
            signal.disconnect(hear, sender=InvitationKey)
        assert heard == [one]
        assert one.pk


def test_a_new_object_goes_where_the_router_writes(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Away()]
    with pytest.raises(Exception, match="'written' doesn't exist"):
        write_new(InvitationKey())


def test_an_insert_that_fails_ends_the_transaction(row: InvitationKey) -> None:
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            write_new(InvitationKey(locator=row.locator))
        assert connection.needs_rollback
        transaction.set_rollback(True)


def test_a_database_that_returns_no_key_is_asked_for_it(
    row: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(built, "_INSERTS", {})
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    monkeypatch.setattr(connection.ops, "last_insert_id", lambda cursor, table, column: 77)
    write_new(one := InvitationKey())
    assert one.pk == 77


def test_the_key_of_a_member_may_be_of_any_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    key = uuid4()
    user = SimpleNamespace(_meta=SimpleNamespace(pk=models.UUIDField()))
    monkeypatch.setattr(built, "get_user_model", lambda: user)
    expected = models.UUIDField().get_db_prep_value(key, connection)
    assert MemberField().get_db_prep_value(key, connection) == expected
