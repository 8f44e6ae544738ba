"""The admin copes with invitations whose people were forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from invitation.flows import privacy
from invitation.flows.mail import deliver_due
from invitation.models import InvitationKey
from tests import staff
from tests.factories import DAY, make_acceptance, make_invitation, make_mail, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, act, said, text_of

pytestmark = pytest.mark.django_db

FORGOTTEN = "(forgotten)"


@pytest.fixture
def boss() -> Client:
    return staff.boss()


@pytest.fixture
def row() -> InvitationKey:
    """Return an invitation that is forgotten, has an email, and by which somebody came."""
    inviter = make_user("inviter")
    fields = {"recipient_name": "Canary", "note": "Canary", "label": "list:1"}
    ended = timezone.now() - 40 * DAY
    row = make_invitation(inviter, status="expired", uses=1, ended_at=ended, **fields)
    make_acceptance(make_user("came"), row)
    make_mail(row, state="failed", failure="refused", last_error="550 canary")
    privacy.forget_ended(30 * DAY)
    return InvitationKey.objects.get()


def test_its_pages_and_lists_call_him_so(row: InvitationKey, boss: Client) -> None:
    mail, came = row.mails.get(), row.acceptances.get()
    mails = "/admin/invitation/invitationemail/"
    tree = f"{ACCEPTANCES}tree/{came.user_id}/"
    for page in (
        INVITATIONS,
        f"{INVITATIONS}{row.pk}/change/",
        f"{INVITATIONS}{row.pk}/delete/",
        mails,
        f"{mails}{mail.pk}/change/",
        ACCEPTANCES,
        f"{ACCEPTANCES}{came.pk}/change/",
        tree,
    ):
        told = text_of(boss.get(page))
        assert FORGOTTEN in told, page
        assert "canary" not in told.lower()


def test_nothing_of_it_can_be_changed(row: InvitationKey, boss: Client) -> None:
    page = f"{INVITATIONS}{row.pk}/change/"
    shown = text_of(boss.get(page))
    assert 'name="note"' not in shown
    assert 'name="_save"' not in shown
    typed = {"note": "Bob", "recipient_name": "Bob", "data": '{"who": "Bob"}'}
    for inline in ("acceptances", "mails"):
        typed |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
    assert boss.post(page, typed).status_code == 403
    row.refresh_from_db()
    assert (row.note, row.recipient_name, row.data) == ("", "", {})


def test_no_action_does_anything(row: InvitationKey, boss: Client) -> None:
    for action in ("revoke", "extend"):
        assert said(boss, INVITATIONS, action, row) == [
            "1 invitation is no longer pending, so it was not changed."
        ]
    assert said(boss, INVITATIONS, "resend", row) == [
        "1 invitation has no email address, so it was not resent."
    ]
    assert InvitationKey.objects.get().status == "expired"


def test_its_mail_is_queued_again_and_does_not_leave(row: InvitationKey, boss: Client) -> None:
    mails = "/admin/invitation/invitationemail/"
    said(boss, mails, "retry", row.mails.get())
    deliver_due()
    assert (row.mails.get().state, row.mails.get().failure) == ("failed", "pointless")


def test_the_export_calls_him_so(row: InvitationKey, boss: Client) -> None:
    response: Any = act(boss, INVITATIONS, "export", row)
    assert FORGOTTEN in b"".join(response.streaming_content).decode()
