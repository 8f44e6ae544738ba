"""Addressing, sending again and withdrawing an invitation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation.exceptions import (
    AddressRefused,
    KeyDeclined,
    KeyRefused,
    KeyRevoked,
    KeyUsedUp,
    MailTooSoon,
    NotPending,
    OwnAddress,
)
from invitation.flows import arriving, inviting, upkeep
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, DAY, make_invitation, make_user, open_it, register, spent
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db
ENDED = ["accepted", "declined", "revoked", "expired"]

# -- revoke --


def test_a_revoked_invitation_opens_nothing_more(member: Any) -> None:
    invitation = make_invitation(member)
    inviting.revoke(invitation)
    assert (invitation.status, invitation.pending_slot) == ("revoked", None)
    assert invitation.ended_at is not None
    with pytest.raises(KeyRevoked):
        open_it(invitation)


def test_revoking_gives_no_quota_back(member: Any) -> None:
    inviting.revoke(inviting.invite(member, ADDRESS).invitation)
    upkeep.expire()
    assert spent(member) == 1


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_cannot_be_revoked(status: str, commit: Any, heard: Heard) -> None:
    invitation = make_invitation(status=status)
    ended_at = invitation.ended_at
    with commit(), pytest.raises(NotPending):
        inviting.revoke(invitation)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.ended_at, heard) == (status, ended_at, [])


def test_the_database_decides_and_not_the_object_at_hand(member: Any) -> None:
    stale = make_invitation(member)
    register(stale)
    with pytest.raises(NotPending):
        inviting.revoke(stale)


@pytest.mark.django_db(transaction=True)
def test_receivers_see_the_revoked_invitation(heard: Heard) -> None:
    inviting.revoke(make_invitation())
    assert heard.last("invitation_revoked")["status"] == "revoked"


# -- decline --


def test_a_declined_invitation_opens_nothing_more() -> None:
    opened = open_it(make_invitation())
    arriving.decline(opened)
    with pytest.raises(KeyDeclined):
        open_it(opened.invitation)


@pytest.mark.parametrize(("status", "error"), [("accepted", KeyUsedUp), ("revoked", KeyRevoked)])
def test_who_declines_too_late_hears_why(status: str, error: type[KeyRefused]) -> None:
    opened = open_it(make_invitation())
    InvitationKey.objects.update(status=status, pending_slot=None)
    with pytest.raises(error):
        arriving.decline(opened)


@pytest.mark.django_db(transaction=True)
def test_receivers_see_the_declined_invitation(heard: Heard) -> None:
    arriving.decline(open_it(make_invitation()))
    assert heard.names() == ["invitation_declined"]
    assert heard.last("invitation_declined")["status"] == "declined"


# -- resend --


def test_resending_mails_the_same_link(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = make_invitation(member)
    key = invitation.mail_key
    with commit():
        inviting.resend(invitation)
    assert [mail.invitation.mail_key for mail in outbox] == [key]


def test_resending_spends_nothing_and_gives_no_more_time(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    InvitationEmail.objects.update(state="sent")
    inviting.resend(invitation)
    assert InvitationKey.objects.get().expires_at == invitation.expires_at
    assert spent(member) == 1


def test_resending_waits_for_the_cool_down(member: Any, commit: Any) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)
    InvitationKey.objects.update(mail_requested_at=timezone.now() - timedelta(minutes=6))
    InvitationEmail.objects.update(state="sent")
    inviting.resend(invitation)
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)


def test_what_is_addressed_to_nobody_cannot_be_resent(member: Any) -> None:
    with pytest.raises(NotPending):
        inviting.resend(inviting.create_without_address(member))


def test_what_ended_meanwhile_is_not_said_to_be_too_soon(member: Any) -> None:
    stale = make_invitation(member)
    inviting.revoke(InvitationKey.objects.get())
    with pytest.raises(NotPending):
        inviting.resend(stale)


# -- 1.0's send_to --


def test_an_invitation_to_nobody_is_addressed_and_mailed(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = inviting.create_without_address(member)
    with commit():
        invitation.send_to("Bob@Example.org")
    assert (invitation.email, invitation.email_key) == ("Bob@example.org", ADDRESS)
    assert invitation.pending_slot == invitation.slot()
    assert [mail.invitation for mail in outbox] == [invitation]
    assert spent(member) == 1


def test_send_to_its_own_address_is_a_resend_with_its_cool_down(member: Any) -> None:
    invitation = make_invitation(member)
    invitation.send_to(ADDRESS)
    with pytest.raises(MailTooSoon):
        invitation.send_to(ADDRESS)
    assert InvitationEmail.objects.count() == 1


def test_it_cannot_be_sent_to_another_address(member: Any) -> None:
    invitation = make_invitation(member)
    with pytest.raises(NotPending):
        invitation.send_to("eve@example.org")
    invitation.refresh_from_db()
    assert invitation.email == ADDRESS


def test_nor_if_it_was_addressed_meanwhile(member: Any) -> None:
    stale = inviting.create_without_address(member)
    InvitationKey.objects.get().send_to(ADDRESS)
    with pytest.raises(NotPending):
        stale.send_to("eve@example.org")


def test_it_cannot_be_sent_to_the_inviter(member: Any) -> None:
    with pytest.raises(OwnAddress):
        inviting.create_without_address(member).send_to("member@example.com")


def test_one_without_inviter_can_be_sent(commit: Any, outbox: list[InvitationEmail]) -> None:
    with commit():
        make_invitation(None, email="").send_to(ADDRESS)
    assert len(outbox) == 1


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_cannot_be_sent(status: str) -> None:
    with pytest.raises(NotPending):
        make_invitation(status=status).send_to(ADDRESS)


def test_a_second_open_one_to_the_same_address_is_refused_in_words(member: Any) -> None:
    make_invitation(member)
    second = inviting.create_without_address(member)
    with pytest.raises(AddressRefused) as refused:
        second.send_to(ADDRESS)
    assert refused.value.code == "already_invited"
    second.refresh_from_db()
    assert second.email == ""


def test_another_members_open_one_does_not_show(member: Any) -> None:
    make_invitation(make_user("ann"))
    second = inviting.create_without_address(member)
    second.send_to(ADDRESS)
    assert second.email == ADDRESS
