"""The admin shows of each model only what its reader may see of that model."""

from __future__ import annotations

import pytest

from tests.factories import make_invitation, make_user
from tests.staff import ACCEPTANCES, staff, text_of

pytestmark = pytest.mark.django_db


def test_who_may_only_see_acceptances_sees_no_account_and_no_address() -> None:
    from invitation.models import Acceptance

    invitation = make_invitation(
        make_user("inviter-name"), "secret@example.org", status="accepted", uses=1
    )
    came = Acceptance.objects.create(invitation=invitation, user=make_user("newcomer-name"))
    clerk = staff("view_acceptance")
    for page in (
        ACCEPTANCES,
        f"{ACCEPTANCES}{came.pk}/change/",
        f"{ACCEPTANCES}tree/{came.user_id}/",
    ):
        text = text_of(clerk.get(page))
        for secret in ("inviter-name", "newcomer-name", "secret@example.org"):
            assert secret not in text, (page, secret)
