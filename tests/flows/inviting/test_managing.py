"""What an inviter may do with an invitation afterwards: extend, resend, new link, edit."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import timezone as zones
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation import keys
from invitation.exceptions import (
    AddressRefused,
    KeyNotFound,
    MailTooSoon,
    NotPending,
    QuotaExceeded,
    TextRefused,
)
from invitation.flows import arriving, inviting, upkeep
from invitation.flows.mail import deliver_due, too_soon
from invitation.models import InvitationEmail, InvitationKey, QuotaEntry
from tests.factories import (
    ADDRESS,
    DAY,
    make_invitation,
    make_mail,
    make_user,
    open_it,
    register,
    spent,
)
from tests.test_budgets import CONTROL

pytestmark = pytest.mark.django_db
FINAL = ["accepted", "declined", "revoked"]


def overdue(member: Any) -> InvitationKey:
    """Return an invitation that was paid for and has run out; cleanup has not seen it yet."""
    invitation = inviting.invite(member, ADDRESS).invitation
    past = timezone.now() - timedelta(hours=1)
    InvitationKey.objects.update(expires_at=past, mail_requested_at=past - DAY)
    invitation.refresh_from_db()
    return invitation


def expired(member: Any) -> InvitationKey:
    """Return one that cleanup has marked, and whose quota it has given back."""
    invitation = overdue(member)
    upkeep.expire()
    invitation.refresh_from_db()
    assert invitation.status == "expired"
    return invitation


# -- extend --


@pytest.mark.parametrize("left", [DAY, -DAY], ids=["open", "overdue"])
def test_extending_gives_the_whole_time_from_now_on(settings: Any, left: timedelta) -> None:
    settings.ACCOUNT_INVITATION_DAYS = 3
    invitation = make_invitation(make_user(), left=left)
    inviting.extend(invitation)
    assert invitation.expires_at is not None
    left = invitation.expires_at - timezone.now() + timedelta(seconds=10)
    assert 3 * DAY <= left < 4 * DAY + DAY / 24
    assert open_it(invitation).invitation == invitation


def test_where_invitations_do_not_expire_an_extended_one_does_not(settings: Any) -> None:
    settings.ACCOUNT_INVITATION_DAYS = None
    invitation = make_invitation(left=DAY)
    inviting.extend(invitation)
    assert invitation.expires_at is None


def test_extending_an_open_one_spends_nothing(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    inviting.extend(invitation)
    assert spent(member) == 1


def test_extending_an_overdue_one_spends_nothing_again(member: Any) -> None:
    inviting.extend(overdue(member))
    assert spent(member) == 1
    assert upkeep.expire() == 0


def test_an_expired_one_is_opened_again_and_paid_again(member: Any, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    invitation = expired(member)
    key = invitation.mail_key
    assert spent(member) == 0
    inviting.extend(invitation)
    assert spent(member) == 1
    assert (invitation.status, invitation.ended_at) == ("pending", None)
    assert (invitation.quota_held, invitation.pending_slot) == (1, invitation.slot())
    assert arriving.open_invitation(key, invitation.site_id).invitation == invitation


def test_it_may_expire_and_be_given_back_again(member: Any) -> None:
    for _ in range(2):
        invitation = InvitationKey.objects.first() or expired(member)
        inviting.extend(invitation)
        assert spent(member) == 1
        InvitationKey.objects.update(expires_at=timezone.now())
        upkeep.expire()
        assert spent(member) == 0


def test_what_was_never_given_back_is_not_paid_again(member: Any, settings: Any) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    inviting.extend(expired(member))
    assert spent(member) == 1


def test_before_its_refund_it_is_not_paid_again(member: Any) -> None:
    invitation = overdue(member)
    InvitationKey.objects.update(status="expired", pending_slot=None, ended_at=timezone.now())
    inviting.extend(invitation)
    upkeep.expire()
    assert spent(member) == 1


def test_without_an_invitation_left_an_expired_one_stays_expired(
    member: Any, settings: Any
) -> None:
    invitation = expired(member)
    settings.INVITATIONS_PER_USER = 0
    with pytest.raises(QuotaExceeded):
        inviting.extend(invitation)
    invitation.refresh_from_db()
    assert (invitation.status, spent(member)) == ("expired", 0)


def test_where_the_address_is_invited_again_an_expired_one_stays_expired(member: Any) -> None:
    invitation = expired(member)
    inviting.invite(member, ADDRESS)
    with pytest.raises(AddressRefused) as refused:
        inviting.extend(invitation)
    assert refused.value.code == "already_invited"
    invitation.refresh_from_db()
    assert (invitation.status, spent(member)) == ("expired", 1)


def test_an_expired_one_whose_inviter_is_gone_costs_nobody(member: Any) -> None:
    invitation = expired(member)
    member.delete()
    invitation.refresh_from_db()
    inviting.extend(invitation)
    assert invitation.status == "pending"


@pytest.mark.parametrize("status", FINAL)
def test_what_has_ended_for_good_cannot_be_extended(status: str) -> None:
    invitation = make_invitation(status=status)
    with pytest.raises(NotPending):
        inviting.extend(invitation)
    with pytest.raises(NotPending):
        inviting.resend(invitation)
    invitation.refresh_from_db()
    assert invitation.status == status
    assert not InvitationEmail.objects.exists()


def test_what_is_gone_cannot_be_extended(member: Any) -> None:
    invitation = make_invitation(member)
    InvitationKey.objects.filter(pk=invitation.pk).delete()
    for verb in (inviting.extend, inviting.resend, inviting.change_link, inviting.revoke):
        with pytest.raises(NotPending):
            verb(invitation)
    with pytest.raises(NotPending):
        inviting.edit(invitation, recipient_name="", note="")


# -- resend --


@pytest.mark.parametrize("ended", [overdue, expired])
def test_resending_revives_with_the_same_link(member: Any, ended: Any) -> None:
    invitation = ended(member)
    InvitationEmail.objects.update(state="sent")
    key = invitation.mail_key
    inviting.resend(invitation)
    assert invitation.mail_key == key
    assert arriving.open_invitation(key, invitation.site_id).invitation == invitation
    assert spent(member) == 1
    assert InvitationEmail.objects.count() == 2


def test_within_the_cool_down_it_stays_expired_too(member: Any) -> None:
    invitation = expired(member)
    InvitationKey.objects.update(mail_requested_at=timezone.now())
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)
    invitation.refresh_from_db()
    assert (invitation.status, spent(member)) == ("expired", 0)


@pytest.mark.parametrize("state", ["sent", "suppressed", "failed"])
def test_within_the_cool_down_it_says_until_when(member: Any, settings: Any, state: str) -> None:
    settings.INVITATION_RESEND_COOLDOWN = DAY
    settings.LANGUAGE_CODE, settings.TIME_ZONE = "en", "UTC"
    noon = datetime(2026, 5, 5, 12, tzinfo=zones.utc)
    with time_machine.travel(noon, tick=False):
        invitation = inviting.invite(member, ADDRESS).invitation
    InvitationEmail.objects.update(state=state, lease_until=None)
    with time_machine.travel(noon + timedelta(hours=5), tick=False):
        for again in (inviting.resend, lambda row: row.send_to(ADDRESS)):
            with pytest.raises(MailTooSoon) as refused:
                again(invitation)
            assert refused.value.code == "mail_too_soon"
            assert str(refused.value) == (
                "An email for this invitation was just sent. "
                "You can resend it from May 6, 2026, noon (UTC)."
            )


def test_while_a_mail_is_being_sent_no_moment_is_named(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    now = timezone.now()
    InvitationKey.objects.update(mail_requested_at=now - DAY)
    InvitationEmail.objects.update(state="sending", lease_until=now + InvitationEmail.objects.LEASE)
    with pytest.raises(MailTooSoon) as refused:
        inviting.resend(invitation)
    assert str(refused.value) == ("The email for this invitation is being sent. Wait a moment.")


def test_nor_if_the_invitation_ended_meanwhile(member: Any) -> None:
    assert str(too_soon(make_invitation(member))) == str(MailTooSoon())


# -- a new link --


def test_with_a_new_link_the_old_ones_open_nothing(member: Any) -> None:
    invitation = make_invitation(member)
    old = [invitation.key, invitation.mail_key]
    opened = open_it(invitation)
    inviting.change_link(invitation)
    for key in old:
        with pytest.raises(KeyNotFound):
            arriving.open_invitation(key, invitation.site_id)
    assert arriving.open_invitation(invitation.key, invitation.site_id).invitation == invitation
    # Who has the form open already cannot register with it either.
    with pytest.raises(KeyNotFound):
        arriving.claim(opened, lambda: make_user("late"), email=ADDRESS)


def test_a_mail_that_leaves_later_has_the_new_link(
    member: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = make_invitation(member)
    make_mail(invitation)
    inviting.change_link(InvitationKey.objects.get())
    assert deliver_due() == (1, 0)
    [mail] = outbox
    assert mail.invitation.locator != invitation.locator
    assert mail.invitation.locator == InvitationKey.objects.get().locator


@pytest.mark.parametrize("status", [*FINAL, "expired"])
def test_what_has_ended_gets_no_new_link(status: str) -> None:
    invitation = make_invitation(status=status)
    locator = invitation.locator
    with pytest.raises(NotPending):
        inviting.change_link(invitation)
    invitation.refresh_from_db()
    assert invitation.locator == locator


def test_what_ran_out_gets_no_new_link() -> None:
    invitation = make_invitation(left=-DAY)
    with pytest.raises(NotPending):
        inviting.change_link(invitation)


def test_what_ended_meanwhile_gets_no_new_link(member: Any) -> None:
    stale = make_invitation(member)
    register(InvitationKey.objects.get())
    with pytest.raises(NotPending):
        inviting.change_link(stale)


def test_a_new_link_has_a_locator_of_its_own(member: Any) -> None:
    invitation = make_invitation(member)
    seen = {invitation.locator}
    for _ in range(5):
        inviting.change_link(invitation)
        seen.add(invitation.locator)
    assert len(seen) == 6
    assert all(len(locator) == keys.LOCATOR_LENGTH for locator in seen)


# -- edit --


def test_name_and_note_are_made_fit_for_a_mail(member: Any) -> None:
    invitation = make_invitation(member)
    inviting.edit(invitation, recipient_name="Bob\n evil.example", note=" See you!\r\n")
    assert (invitation.recipient_name, invitation.note) == ("Bob evil example", "See you!")


def test_a_link_in_the_note_is_refused(member: Any) -> None:
    invitation = make_invitation(member, note="before")
    with pytest.raises(TextRefused):
        inviting.edit(invitation, recipient_name="", note="www.example.org")
    invitation.refresh_from_db()
    assert invitation.note == "before"


@pytest.mark.parametrize("status", [*FINAL, "expired"])
def test_what_has_ended_cannot_be_edited(status: str) -> None:
    invitation = make_invitation(status=status)
    with pytest.raises(NotPending):
        inviting.edit(invitation, recipient_name="Bob", note="")
    invitation.refresh_from_db()
    assert invitation.recipient_name == ""


# -- what must not come of it --


def test_more_time_is_never_less(member: Any, settings: Any) -> None:
    settings.ACCOUNT_INVITATION_DAYS = 7
    far = timezone.now() + 60 * DAY
    for expires_at in (far, None):
        invitation = make_invitation(member, f"{expires_at is None}@example.org")
        InvitationKey.objects.filter(pk=invitation.pk).update(expires_at=expires_at)
        inviting.extend(invitation)
        assert invitation.expires_at == expires_at


def test_after_a_refusal_the_invitation_at_hand_is_what_it_is(member: Any) -> None:
    invitation = expired(member)
    InvitationKey.objects.update(mail_requested_at=timezone.now())
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)
    assert invitation.status == "expired"


def test_what_was_not_paid_again_gives_nothing_back(member: Any, settings: Any) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    invitation = expired(member)
    settings.INVITATION_REFUND_EXPIRED = True  # too late for this one: the ledger knows
    inviting.extend(invitation)
    assert (spent(member), invitation.quota_held) == (1, 0)
    InvitationKey.objects.update(expires_at=timezone.now())
    inviting.invite(member, "other@example.org")
    upkeep.expire()
    assert spent(member) == 2


def test_what_expired_before_there_was_a_ledger_goes_by_the_setting(
    member: Any, settings: Any
) -> None:
    invitation = expired(member)
    QuotaEntry.objects.all().delete()
    settings.INVITATION_REFUND_EXPIRED = False
    inviting.extend(invitation)
    assert (spent(member), invitation.quota_held) == (0, 0)


def test_a_mail_that_was_refused_waits_for_the_cool_down(
    member: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    InvitationEmail.objects.update(state="failed", lease_until=None, last_error="550 no")
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    inviting.resend(invitation)
    assert InvitationEmail.objects.get().state == "queued"


@pytest.mark.django_db(transaction=True)
def test_resending_begins_with_a_write(member: Any) -> None:
    """To who has read in a transaction, SQLite refuses to write while somebody else does."""
    invitation = make_invitation(member)
    with CaptureQueriesContext(connection) as queries:
        inviting.resend(invitation)
    first = next(query["sql"] for query in queries if not query["sql"].startswith(CONTROL))
    assert first.startswith("UPDATE") or "FOR UPDATE" in first
