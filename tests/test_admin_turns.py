"""What staff do while others write waits for its turn, also the admin's own log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection

from invitation.flows import inviting
from invitation.flows.after_commit import transactions
from invitation.models import InvitationKey
from tests import staff
from tests.factories import make_invitation, make_user
from tests.staff import INVITATIONS
from tests.undone import CONFLICT, undone_commits

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


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody pause between two tries."""
    monkeypatch.setattr(transactions, "PAUSE", 0)


def change(boss: Any, invitation: Any, name: str) -> Any:
    """Send the form of an invitation with another name, and return the answer."""
    typed = {"recipient_name": name, "note": "", "data": "{}"}
    typed |= {"expires_at_0": "2099-01-01", "expires_at_1": "12:00:00"}
    for rows in ("acceptances", "mails"):
        typed |= {f"{rows}-TOTAL_FORMS": "0", f"{rows}-INITIAL_FORMS": "0"}
    return boss.post(f"{INVITATIONS}{invitation.pk}/change/", typed)


def test_a_change_that_is_undone_is_done_again_and_told_once() -> None:
    boss, invitation = staff.boss(), make_invitation(make_user("ann"), "bob@example.org")
    with undone_commits(2) as commits:
        answer = change(boss, invitation, "Robert")
    assert commits[:3] == [False, False, True]
    assert answer.status_code == 302
    invitation.refresh_from_db()
    assert invitation.recipient_name == "Robert"
    assert LogEntry.objects.count() == 1
    told = boss.get(answer["Location"]).context["messages"]
    assert len(list(told)) == 1


@pytest.mark.usefixtures("hurry")
def test_a_change_that_is_undone_again_and_again_is_a_page() -> None:
    boss, invitation = staff.boss(), make_invitation(make_user("ann"), "bob@example.org")
    with undone_commits(99):
        answer = change(boss, invitation, "Robert")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    invitation.refresh_from_db()
    assert invitation.recipient_name != "Robert"
    assert not LogEntry.objects.exists()


def test_an_action_says_what_it_could_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    boss, ann = staff.boss(), make_user("ann")
    rows = [make_invitation(ann, f"guest{number}@example.org") for number in range(2)]
    revoke = inviting.revoke

    def fail_for_one(invitation: InvitationKey) -> None:
        if invitation == rows[0]:
            raise transactions.Busy from OperationalError(*CONFLICT)
        revoke(invitation)

    monkeypatch.setattr(inviting, "revoke", fail_for_one)
    assert staff.said(boss, INVITATIONS, "revoke", *rows) == [
        "1 invitation was revoked.",
        "1 invitation was not changed, because the database is busy. Try again.",
    ]
