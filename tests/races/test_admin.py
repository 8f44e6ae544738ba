"""Staff act on many invitations while members use them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from invitation.models import InvitationKey
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena
from tests.races.people import make_held
from tests.races.wire import Answer, Site, session_of

pytestmark = pytest.mark.django_db(transaction=True)

CHANGELIST = "/admin/invitation/invitationkey/"
#: Invitations that staff act on in one request.
SELECTED = 20


@pytest.mark.usefixtures("atomic_requests")
def test_staff_who_resend_many_end_nobodys_request(
    short_arena: Arena, site: Site, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
    settings.INVITATION_LIMITS = dict.fromkeys(("inviter", "recipient", "domain", "site"), 10**6)
    staff = session_of(make_user("staff", is_staff=True, is_superuser=True))
    members = [make_user(f"member{n}") for n in range(4)]
    sessions = [session_of(member) for member in members]

    def before(number: int) -> list[InvitationKey]:
        return [
            make_held(members[n % 4], f"round{number}-{n}@example.org") for n in range(SELECTED)
        ]

    def act(action: str, rows: list[InvitationKey], number: int) -> Answer:
        order = rows if number % 2 else rows[::-1]
        form = {"action": action, "_selected_action": [row.pk for row in order]}
        return site.post(CHANGELIST, form, staff)

    def resend(rows: list[InvitationKey], number: int) -> Answer:
        mine = number % 4
        return site.post(f"/accounts/invitations/{rows[mine].pk}/resend/", {}, sessions[mine])

    def invite(rows: list[InvitationKey], number: int) -> Answer:
        email = f"new{rows[0].pk}-{number}@example.org"
        return site.post("/accounts/invite/", {"email": email}, sessions[number % 4])

    def after(rows: list[InvitationKey], outcomes: list[Answer]) -> None:
        assert {answer.status for answer in outcomes} <= {200, 302, 409}
        books.check_invitations()

    short_arena.race(
        [
            lambda rows, n: act("resend", rows, n),
            resend,
            lambda rows, n: act("extend", rows, n),
            invite,
        ],
        before=before,
        after=after,
    )
