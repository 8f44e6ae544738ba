"""Inviting an address again renews the open invitation: no second row, no second spending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from invitation.exceptions import QuotaExceeded
from invitation.flows import arriving, inviting
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, make_user, spent
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db


@pytest.fixture
def first(member: Any, commit: Any) -> InvitationKey:
    """Return an invitation that was emailed an hour ago."""
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False), commit():
        return inviting.invite(member, ADDRESS, recipient_name="Bob", note="Old").invitation


def test_there_is_no_second_row_and_no_second_spending(member: Any, first: InvitationKey) -> None:
    again = inviting.invite(member, "BOB@example.org")
    assert (again.created, again.invitation) == (False, first)
    assert (InvitationKey.objects.count(), spent(member)) == (1, 1)


def test_the_text_and_the_time_are_the_new_ones(member: Any, first: InvitationKey) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        again = inviting.invite(member, ADDRESS, note="New", language="fr").invitation
    again.refresh_from_db()
    assert (again.note, again.language, again.recipient_name) == ("New", "fr", "Bob")
    assert again.expires_at - first.expires_at >= timedelta(days=1)  # type: ignore[operator]


def test_the_link_that_is_out_still_works(member: Any, first: InvitationKey) -> None:
    inviting.invite(member, ADDRESS)
    assert arriving.open_invitation(first.mail_key).invitation == first


def test_data_stays_unless_it_is_given(member: Any, first: InvitationKey) -> None:
    inviting.invite(member, ADDRESS, data={"plan": "gold"})
    assert inviting.invite(member, ADDRESS).invitation.data == {"plan": "gold"}


def test_there_is_a_new_mail_after_the_cool_down(
    member: Any, first: InvitationKey, commit: Any, outbox: list[InvitationEmail]
) -> None:
    with commit():
        assert inviting.invite(member, ADDRESS).mailed
    assert len(outbox) == 2


def test_there_is_no_mail_within_the_cool_down(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    with commit():
        inviting.invite(member, ADDRESS)
        assert not inviting.invite(member, ADDRESS).mailed
    assert len(outbox) == InvitationEmail.objects.count() == 1


def test_the_cool_down_ends_exactly_when_the_setting_says(
    member: Any, settings: Any, commit: Any
) -> None:
    settings.INVITATION_RESEND_COOLDOWN = timedelta(minutes=30)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        with commit():
            inviting.invite(member, ADDRESS)
        clock.shift(timedelta(minutes=30, seconds=-1))
        assert not inviting.invite(member, ADDRESS).mailed
        clock.shift(timedelta(seconds=1))
        assert inviting.invite(member, ADDRESS).mailed


def test_it_can_be_renewed_with_the_quota_exhausted(
    member: Any, first: InvitationKey, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 1
    assert inviting.invite(member, ADDRESS).invitation == first
    with pytest.raises(QuotaExceeded):
        inviting.invite(member, "other@example.org")


def test_one_whose_time_ran_out_unmarked_is_renewed_too(member: Any, first: InvitationKey) -> None:
    InvitationKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    renewed = inviting.invite(member, ADDRESS)
    assert not renewed.created
    assert renewed.invitation.is_usable()
    assert spent(member) == 1


@pytest.mark.parametrize("end", [inviting.revoke, None])
def test_an_ended_one_is_not_renewed(member: Any, first: InvitationKey, end: Any) -> None:
    if end:
        end(first)
    else:
        InvitationKey.objects.end(first.pk, "declined", timezone.now())
    assert inviting.invite(member, ADDRESS, again=True).created
    assert spent(member) == 2


def test_the_invitation_of_another_member_is_not_renewed(first: InvitationKey) -> None:
    assert inviting.invite(make_user("ann"), ADDRESS).created


def test_the_invitation_on_another_site_is_not_renewed(
    member: Any, first: InvitationKey, settings: Any
) -> None:
    settings.INVITATION_BASE_URL = "https://other.example"
    assert inviting.invite(member, ADDRESS, site_id=2).created


def test_a_plus_tag_is_another_address(member: Any, first: InvitationKey) -> None:
    assert inviting.invite(member, "bob+shop@example.org").created


def test_renewing_is_not_creating(
    member: Any, first: InvitationKey, commit: Any, heard: Heard
) -> None:
    with commit():
        inviting.invite(member, ADDRESS)
    assert heard.names() == ["invitation_sent", "mail_settled"]


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_a_mail_that_never_left_goes_instead_of_a_second_one(
    member: Any, first: InvitationKey, commit: Any, outbox: list[InvitationEmail], state: str
) -> None:
    InvitationEmail.objects.update(state=state, attempts=10, sent_at=None)
    with commit():
        assert inviting.invite(member, ADDRESS).mailed
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.attempts, len(outbox)) == ("sent", 1, 2)
