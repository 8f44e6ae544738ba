"""Rows that are inserted together, by columns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.models import InvitationEmail, InvitationKey, MailCounter, QuotaEntry
from invitation.models.managers import batches
from tests.factories import make_invitation, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]


@pytest.fixture(params=["by columns", "by rows"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Insert as this database does, and as MySQL and MariaDB do."""
    if request.param == "by rows":
        monkeypatch.setattr(batches, "_SOURCES", {})


def drafts(number: int, **fields: Any) -> list[InvitationKey]:
    """Return unsaved invitations that differ in some columns."""
    rows = [
        InvitationKey(
            email=f"n{one}@example.org",
            email_key=f"n{one}@example.org",
            allowed_domains=["example.org"] if one % 2 else [],
            expires_at=timezone.now() if one % 2 else None,
            **fields,
        )
        for one in range(number)
    ]
    for row in rows:
        row.pending_slot = row.slot()
    return rows


@pytest.mark.parametrize("number", [0, 1, 5])
def test_what_is_inserted_is_what_was_drafted(way: None, number: int) -> None:
    rows = drafts(number, from_user=make_user(), data={"a": [1, "é", None]}, note='"\\ %s')
    batches.insert(rows)
    names = [field.attname for field in InvitationKey._meta.concrete_fields]
    names.remove("id")
    written = InvitationKey.objects.order_by("pk").values_list(*names)
    drafted = [
        [batches._value(InvitationKey._meta.get_field(n), row) for n in names] for row in rows
    ]
    assert [list(row) for row in written] == drafted


@pytest.mark.parametrize("number", [0, 1, 3])
def test_rows_are_inserted_like_one(way: None, number: int) -> None:
    member, now = make_user(), timezone.now()
    pks = [make_invitation(member, f"n{one}@example.org").pk for one in range(number)]
    like = QuotaEntry(inviter=member, change=-1, reason="invited", created_at=now)
    batches.insert_like(like, {"invitation_id": pks})
    batches.insert_like(InvitationEmail(not_before=now, created_at=now), {"invitation_id": pks})
    entries = QuotaEntry.objects.order_by("pk")
    assert [entry.invitation_id for entry in entries] == pks
    assert {(entry.inviter_id, entry.change, entry.created_at) for entry in entries} <= {
        (member.pk, -1, now)
    }
    mails = InvitationEmail.objects.order_by("pk")
    assert [(mail.invitation_id, mail.state, mail.failure) for mail in mails] == [
        (pk, "queued", "") for pk in pks
    ]


def test_rows_are_inserted_or_updated(way: None) -> None:
    now = timezone.now()
    for hours in ({"1": 1}, {"2": 2}):
        rows = [MailCounter(scope=bytes([n]) * 32, hours=hours, updated_at=now) for n in range(3)]
        batches.insert_or_update(rows, "scope", ["hours"])
    assert list(MailCounter.objects.values_list("hours", flat=True)) == [{"2": 2}] * 3


def test_a_value_that_all_rows_have_is_sent_once() -> None:
    if connection.vendor == "mysql":
        pytest.skip("MySQL and MariaDB get each value of each row")
    with CaptureQueriesContext(connection) as queries:
        batches.insert(drafts(50, note="only once"))
    assert len(queries) == 1
    assert queries[0]["sql"].count("only once") == 1


def test_rows_that_are_like_one_send_a_value_of_all_rows_once() -> None:
    if connection.vendor == "mysql":
        pytest.skip("MySQL and MariaDB get each value of each row")
    columns = {"locator": [f"l{n}" for n in range(50)], "note": ["only once"] * 50}
    with CaptureQueriesContext(connection) as queries:
        batches.insert_like(InvitationKey(), columns)
    assert len(queries) == 1
    assert queries[0]["sql"].count("only once") == 1
    assert InvitationKey.objects.filter(note="only once").count() == 50


@pytest.mark.parametrize("number", [4, 5])
def test_a_statement_has_so_many_rows(
    monkeypatch: pytest.MonkeyPatch, way: None, number: int
) -> None:
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    locators = [f"l{n}" for n in range(number)]
    with CaptureQueriesContext(connection) as queries:
        batches.insert_like(InvitationKey(), {"locator": locators})
        batches.insert(drafts(number))
    assert len(queries) == 2 * -(-number // 2)
    written = InvitationKey.objects.order_by("pk").values_list("locator", flat=True)
    assert list(written)[:number] == locators
    assert len(written) == 2 * number


def test_many_rows_take_several_statements(monkeypatch: pytest.MonkeyPatch, way: None) -> None:
    monkeypatch.setattr(batches, "VALUES_AT_ONCE", 60)
    batches.insert(drafts(30))
    emails = list(InvitationKey.objects.order_by("pk").values_list("email", flat=True))
    assert emails == [f"n{number}@example.org" for number in range(30)]


def test_postgresql_gets_a_column_as_one_value_and_cuts_no_text() -> None:
    def typed(name: str) -> Any:
        return SimpleNamespace(db_type=lambda _connection: name)

    sql, values = batches._from_arrays(
        None, [typed("varchar(10)")], [typed("bytea"), typed("numeric(5, 2)")], [[b"a"], [1]]
    )
    assert sql == "SELECT %s::varchar, v.* FROM unnest(%s::bytea[], %s::numeric[]) AS v"
    assert values == [[b"a"], [1]]
