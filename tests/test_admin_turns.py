"""What staff do while others write waits for its turn, also the admin's own log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection

from tests import staff
from tests.factories import make_invitation, make_user
from tests.staff import INVITATIONS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("action", ["revoke", "export"])
def test_the_log_of_an_action_waits_for_whoever_writes(action: str) -> None:
    boss, invitation = staff.boss(), make_invitation(make_user("ann"), "bob@example.org")
    refused: list[str] = []

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("INSERT") and "admin_log" in sql and not refused:
            refused.append(sql)
            raise OperationalError("database is locked")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        answer = staff.act(boss, INVITATIONS, action, invitation)
    assert answer.status_code in (200, 302)
    assert len(refused) == 1
    assert LogEntry.objects.count() == 1
