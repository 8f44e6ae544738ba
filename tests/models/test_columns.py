"""Columns and indexes: what each database has, and that it finds by them."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from invitation.keys import unsubscribing
from invitation.models import (
    InvitationEmail,
    InvitationKey,
    SuppressedAddress,
    ThrottleCounter,
    columns,
)
from invitation.models.columns import DigestField
from tests.factories import make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db
#: First bytes that a driver could take for text, the end of a text, or an escape.
DIGESTS = [bytes([first]) * 32 for first in (0, 0x27, 0x5C, 0x7F, 0x80, 0xFF)]
PARTIAL = connection.vendor == "postgresql"


def about(model: type[models.Model]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        return dict(connection.introspection.get_constraints(cursor, model._meta.db_table))


def definition(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        return str(cursor.fetchone()[0])


def test_digests_are_bytes_and_found_by_their_bytes() -> None:
    for digest in DIGESTS:
        ThrottleCounter.objects.create(scope=digest, window_start=timezone.now())
    for digest in DIGESTS:
        row = ThrottleCounter.objects.get(scope=digest)
        assert row.scope == digest
        assert type(row.scope) is bytes
        assert str(row) == f"{digest.hex()[:6]}… 0"
    found = ThrottleCounter.objects.filter(scope__in=DIGESTS[:2]).values_list("scope", flat=True)
    assert set(found) == set(DIGESTS[:2])
    others = ThrottleCounter.objects.exclude(scope__in=DIGESTS[:2])
    assert others.count() == len(DIGESTS) - 2


def test_no_digest_is_there_twice() -> None:
    SuppressedAddress.objects.create(digest=DIGESTS[0], key_id="a", reason="admin")
    with pytest.raises(IntegrityError), transaction.atomic():
        SuppressedAddress.objects.create(digest=DIGESTS[0], key_id="b", reason="admin")


def test_a_statement_that_is_built_once_finds_them_too() -> None:
    known = unsubscribing.digests("bob@example.org")[0]
    SuppressedAddress.objects.create(digest=known.digest, key_id=known.key_id, reason="admin")
    mail = make_mail()
    [held] = InvitationEmail.objects.lease_batch(1, timezone.now(), [mail.pk])
    for digest, there in ((known.digest, True), (DIGESTS[0], False)):
        row, _pause = InvitationEmail.objects.look(held, [digest])
        assert row is not None
        assert bool(vars(row)["suppressed"]) is there


def test_null_digests_stay_null() -> None:
    make_invitation(email="", status="expired")
    make_invitation(email="", status="revoked")
    assert set(InvitationKey.objects.values_list("pending_slot", "code_digest")) == {(None, None)}


def test_a_column_for_digests_can_be_indexed_everywhere() -> None:
    field = InvitationKey._meta.get_field("code_digest")
    kinds = {"postgresql": "bytea", "sqlite": "BLOB", "mysql": "varbinary(32)"}
    assert field.db_type(connection) == kinds[connection.vendor]
    for vendor in kinds:
        fake = type("Connection", (), {"vendor": vendor, "data_types": connection.data_types})()
        fake.ops = connection.ops
        assert (field.db_type(fake) == "varbinary(32)") is (vendor == "mysql")
    _name, path, _args, kwargs = field.deconstruct()
    assert path == "invitation.models.columns.DigestField"
    assert DigestField(**kwargs).max_length == 32


def test_nothing_has_a_second_index_for_patterns() -> None:
    for model in apps.get_app_config("invitation").get_models():
        assert [name for name in about(model) if name.endswith("_like")] == []


@pytest.mark.skipif(not PARTIAL, reason="partial indexes")
def test_what_is_rare_has_an_index_of_the_rare_rows() -> None:
    assert "(expires_at) WHERE" in definition("invitation_expiring")
    assert "(ended_at, id) WHERE" in definition("invitation_ended")
    assert "(ended_at, id) WHERE" in definition("invitation_forgettable")
    assert "(state, not_before, id) WHERE" in definition("invitation_mail_due")
    assert "(message_id) WHERE" in definition("invitation_mail_message_id")
    for name in ("slot", "code", "word"):
        assert " IS NOT NULL" in definition(f"invitation_{name}_once")
    assert "varchar_pattern_ops" in definition("invitation_address")


@pytest.mark.skipif(PARTIAL, reason="no partial indexes")
def test_elsewhere_it_has_an_index_of_all_rows() -> None:
    found = {**about(InvitationKey), **about(InvitationEmail)}
    indexed = {name: found[name]["columns"] for name in found if name.startswith("invitation_")}
    assert indexed["invitation_expiring"] == ["status", "expires_at"]
    assert indexed["invitation_ended"] == ["status", "ended_at"]
    assert indexed["invitation_forgettable"] == ["forgotten_at", "ended_at"]
    assert indexed["invitation_mail_due"] == ["state", "not_before"]
    assert indexed["invitation_mail_message_id"] == ["message_id"]
    assert indexed["invitation_address"] == ["email_key"]
    for name in ("slot", "code", "word", "locator"):
        assert found[f"invitation_{name}_once"]["unique"]


def test_a_constraint_that_leaves_out_nulls_is_still_one() -> None:
    inviter = make_user()
    first = make_invitation(inviter)
    second = make_invitation(inviter, "eve@example.org")
    for changes in ({"pending_slot": first.slot()}, {"locator": first.locator}):
        with pytest.raises(IntegrityError), transaction.atomic():
            InvitationKey.objects.filter(pk=second.pk).update(**changes)
    InvitationKey.objects.filter(pk=first.pk).update(code_digest=DIGESTS[0], word="peas")
    for changes in ({"code_digest": DIGESTS[0]}, {"word": "peas"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            InvitationKey.objects.filter(pk=second.pk).update(**changes)


@pytest.mark.skipif(not connection.features.supports_partial_indexes, reason="partial indexes")
def test_where_the_planner_can_use_it_only_the_rare_rows_have_an_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "has_partial_indexes", lambda connection: True)
    made: Any = [*InvitationKey._meta.indexes, *InvitationKey._meta.constraints]
    sparse = (columns.SparseIndex, columns.UniqueUnlessNull)
    editor = connection.schema_editor(collect_sql=True)
    for one in made:
        statement = str(one.create_sql(InvitationKey, editor))
        assert ("WHERE" in statement) is isinstance(one, sparse), statement
