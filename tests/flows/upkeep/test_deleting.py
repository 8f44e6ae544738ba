"""Deleting by the thousand: few statements, and nothing of the site's is left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection, models
from django.db.models.signals import post_delete
from django.utils import timezone

from invitation.flows import upkeep
from invitation.flows.upkeep import cleanup
from invitation.models import Acceptance, InvitationEmail, InvitationKey
from invitation.models.querysets import Among, locked
from tests import scenes
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_retention")]


def ended(number: int = 3, *, groups: bool = True) -> list[InvitationKey]:
    """Return ended invitations, each with an email, and perhaps with a group."""
    group, _created = Group.objects.get_or_create(name="choir")
    rows = [make_invitation(email=f"g{at}@example.org", status="expired") for at in range(number)]
    for row in rows:
        make_mail(row)
        row.groups.set([group] if groups else [])
    return rows


def delete_statements() -> list[str]:
    with scenes.statements() as asked:
        upkeep.purge()
    assert not InvitationKey.objects.exists()
    assert not InvitationEmail.objects.exists()
    assert Group.objects.exists()
    return [statement for statement in asked if statement.startswith("DELETE")]


@pytest.mark.parametrize(("groups", "tables"), [(True, 4), (False, 2)])
def test_each_table_has_one_statement(groups: bool, tables: int) -> None:
    ended(groups=groups)
    found = delete_statements()
    assert len(found) == tables
    assert "invitation_invitationkey`" in found[-1].replace('"', "`").split(" WHERE")[0]


def test_what_hangs_on_an_unused_one_is_deleted_too() -> None:
    [row] = ended(1)
    Acceptance.objects.create(invitation=row, user=make_user())
    delete_statements()
    assert not Acceptance.objects.exists()


def test_a_receiver_of_the_site_hears_of_each() -> None:
    rows = ended()
    heard: list[int] = []

    def hear(sender: Any, instance: InvitationKey, **kwargs: Any) -> None:
        heard.append(instance.pk)

    for model in (InvitationKey, InvitationEmail):
        post_delete.connect(hear, sender=model)
    try:
        delete_statements()
    finally:
        for model in (InvitationKey, InvitationEmail):
            post_delete.disconnect(hear, sender=model)
    assert len(heard) == 2 * len(rows)


@pytest.fixture
def remarks() -> Iterator[Any]:
    """A model of the site with a relation to invitations."""

    class Remark(models.Model):  # noqa: DJ008 (nobody reads it)
        invitation = models.ForeignKey(InvitationKey, models.CASCADE, related_name="+")

        class Meta:
            app_label = "invitation"

    with connection.schema_editor() as editor:
        editor.create_model(Remark)
    yield Remark.objects  # type: ignore[attr-defined]
    with connection.schema_editor() as editor:
        editor.delete_model(Remark)
    del apps.all_models["invitation"]["remark"]
    apps.clear_cache()


@pytest.mark.django_db(transaction=True)
def test_what_the_site_hangs_on_it_is_deleted_too(remarks: Any) -> None:
    for row in ended():
        remarks.create(invitation=row)
    delete_statements()
    assert not remarks.exists()


def test_a_generic_relation_of_the_site_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    ended()
    found: list[Any] = []

    def none_of(objs: Any, using: str) -> Any:
        found.extend(objs)
        return Group.objects.none()

    relation = SimpleNamespace(bulk_related_objects=none_of, related_model=Group)
    monkeypatch.setattr(InvitationKey._meta, "private_fields", [SimpleNamespace(), relation])
    delete_statements()
    assert len(found) == 3


# -- what is deleted --


def test_a_row_is_checked_again_as_it_was_found() -> None:
    now = timezone.now()
    moments = (None, now - 5 * DAY, now - DAY, now + DAY)
    states = ("pending", "accepted", "declined", "revoked", "expired")
    every = itertools.product(states, moments, (None, now - 5 * DAY), (0, 1), (0, 1), moments)
    rows = [
        InvitationKey(
            status=status,
            ended_at=ended_at,
            expires_at=expires_at,
            uses=uses,
            quota_held=held,
            renewal_requested_at=asked,
        )
        for status, ended_at, expires_at, uses, held, asked in every
    ]
    rows += [
        InvitationKey(status="revoked", ended_at=now - 5 * DAY, renewal_requested_at=now - 9 * DAY)
    ]
    InvitationKey.objects.bulk_create(rows)
    before = now - 3 * DAY
    wanted = set(InvitationKey.objects.disposable(before, now).values_list("pk", flat=True))
    pks = set(InvitationKey.objects.values_list("pk", flat=True))
    assert InvitationKey.objects.purge(pks, before, now) == len(wanted) > 0
    assert set(InvitationKey.objects.values_list("pk", flat=True)) == pks - wanted


# -- how it is found --


@pytest.mark.parametrize("number", [4, 5, 6])
@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1)])
def test_each_search_goes_on_where_the_last_one_ended(
    number: int, apart: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "FOUND_AT_ONCE", 5)
    end = timezone.now() - DAY
    for at in range(number):
        make_invitation(email=f"g{at}@example.org", left=None, expires_at=end - at * apart)
    with scenes.statements() as asked:
        assert upkeep.expire(batch_size=2) == number
    searches = [one for one in asked if one.startswith("SELECT") and "LIMIT 4" in one]
    overdue = [one for one in searches if "expires_at" in one.partition("WHERE")[2]]
    # And one for what others had locked.
    assert len(overdue) == number // 4 + 1 + 1
    assert upkeep.purge(batch_size=2) == number


def test_many_numbers_are_one_parameter_where_that_is_possible() -> None:
    query: Any = InvitationKey.objects.all().query
    condition: Any = Among("pk", [1, 2]).resolve_expression(query)
    for vendor, number in (("postgresql", 1), ("sqlite", 2)):
        compiler = query.get_compiler(connection=connection)
        _sql, params = condition.as_sql(compiler, SimpleNamespace(vendor=vendor))
        assert len(params) == number
    assert not InvitationKey.objects.filter(Among("pk", []))


def test_an_index_finds_many_numbers() -> None:
    pks = [row.pk for row in ended(2)]
    explained = InvitationKey.objects.filter(Among("pk", pks)).order_by().explain()
    keys = {"postgresql": "id = ANY", "sqlite": "USING INTEGER PRIMARY KEY", "mysql": "PRIMARY"}
    assert keys[connection.vendor] in explained


def test_one_statement_locks_and_reads_where_a_read_can_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = make_invitation()
    monkeypatch.setattr(connection.features, "has_select_for_update", True)
    monkeypatch.setattr(connection.ops, "for_update_sql", lambda **options: "")
    with scenes.statements() as asked:
        assert [one.pk for one in locked(InvitationKey.objects.all(), "ended_at", "pk")] == [row.pk]
    assert len(asked) == 1
