"""Querysets that are written differently for each database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from invitation.models import InvitationKey
from invitation.models.querysets import begins
from tests.factories import make_invitation, make_user

pytestmark = pytest.mark.django_db


def test_a_beginning_is_found_in_order_and_its_capitals_count() -> None:
    inviter = make_user()
    for email in ("ann@example.org", "andy@example.org", "AN@example.org", "bob@example.org"):
        make_invitation(inviter, email)
    found = begins(InvitationKey.objects.all(), "email", "an").values_list("email", flat=True)
    assert list(found) == ["andy@example.org", "ann@example.org"]


def test_postgresql_is_asked_for_the_order_of_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    sql = str(begins(InvitationKey.objects.all(), "email_key", "an").query)
    assert '"email_key" USING ~<~' in sql.replace("`", '"')


def test_mysql_is_asked_for_the_collation_of_the_index_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    where: Any = begins(InvitationKey.objects.all(), "email_key", "an").query.where
    assert [child.lookup_name for child in where.children] == ["startswith", "istartswith"]
