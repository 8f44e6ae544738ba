"""Inviting: what is spent, written, emailed and told, and what refuses it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from invitation.exceptions import (
    AddressRefused,
    InvitationError,
    InvitingForbidden,
    OwnAddress,
    QuotaExceeded,
    TextRefused,
)
from invitation.flows import arriving, inviting, upkeep
from invitation.flows.mail import queueing
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests import scenes
from tests.factories import ADDRESS, AFTERNOON, make_invitation, make_user, spent

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)


def rows() -> tuple[int, int]:
    return InvitationKey.objects.count(), InvitationEmail.objects.count()


@pytest.mark.anywhere
def test_an_invitation_is_written_spent_and_mailed(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    with commit():
        invited = inviting.invite(member, " Bob@Example.ORG ", recipient_name="Bob", note="Hi")
        assert outbox == []
    assert (invited.created, invited.mailed) == (True, True)
    invitation = InvitationKey.objects.get()
    assert invitation == invited.invitation
    assert (invitation.email, invitation.email_key) == ("Bob@example.org", "bob@example.org")
    assert (invitation.recipient_name, invitation.note) == ("Bob", "Hi")
    assert (invitation.from_user, invitation.status, invitation.uses) == (member, "pending", 0)
    assert invitation.pending_slot == invitation.slot()
    assert spent(member) == invitation.quota_held == 1
    [mail] = outbox
    assert mail.invitation == invitation
    assert InvitationEmail.objects.get().state == "sent"


def test_the_row_knows_its_site_and_its_data(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS, data={"plan": "gold"}).invitation
    assert (invitation.site_id, invitation.data) == (1, {"plan": "gold"})


def test_without_data_the_row_has_an_empty_dictionary(member: Any) -> None:
    assert inviting.invite(member, ADDRESS).invitation.data == {}


@pytest.mark.parametrize(("given", "stored"), [("", "de"), ("fr", "fr")])
def test_the_mail_speaks_the_given_or_the_active_language(
    member: Any, given: str, stored: str
) -> None:
    with translation.override("de"):
        assert inviting.invite(member, ADDRESS, language=given).invitation.language == stored


def test_without_an_active_language_none_is_stored(member: Any) -> None:
    with translation.override(None):
        assert inviting.invite(member, ADDRESS).invitation.language == ""


def test_it_ends_after_the_days_of_the_setting(member: Any, settings: Any) -> None:
    settings.ACCOUNT_INVITATION_DAYS = 3
    with time_machine.travel(NOON, tick=False):
        invitation = inviting.invite(member, ADDRESS).invitation
    assert invitation.expires_at == NOON + timedelta(days=3) + AFTERNOON


def test_it_never_ends_where_the_setting_says_so(member: Any, settings: Any) -> None:
    settings.ACCOUNT_INVITATION_DAYS = None
    assert inviting.invite(member, ADDRESS).invitation.expires_at is None


def test_naive_times_do_as_well(member: Any, settings: Any, commit: Any) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    with commit():
        invitation = inviting.invite(member, ADDRESS).invitation
    assert invitation.expires_at is not None
    assert invitation.expires_at.tzinfo is None
    assert arriving.open_invitation(invitation.key).invitation == invitation
    with time_machine.travel(datetime.now(timezone.utc) + timedelta(days=8), tick=False):
        assert upkeep.expire() == 1


def test_names_are_made_plain(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS, recipient_name="Bob\r\nwww.evil.com").invitation
    assert invitation.recipient_name == "Bob www evil com"


def test_no_account_is_made(member: Any) -> None:
    inviting.invite(member, ADDRESS)
    assert type(member)._default_manager.count() == 1


# -- refusals --


@pytest.mark.parametrize(
    ("email", "error", "code"),
    [
        ("", AddressRefused, "blank"),
        ("=?utf-8?q?a=40evil.com?=@good.com", AddressRefused, "encoded_word"),
        ("MEMBER@example.com", OwnAddress, "own_address"),
    ],
)
def test_a_refused_address_changes_nothing(
    member: Any, email: str, error: type[InvitationError], code: str
) -> None:
    with pytest.raises(error) as refused:
        inviting.invite(member, email)
    assert refused.value.code == code
    assert (rows(), spent(member)) == ((0, 0), 0)


def test_a_member_without_an_address_may_invite_anybody(member: Any) -> None:
    member.email = ""
    assert inviting.invite(member, "member@example.com").created


def test_a_note_with_a_link_changes_nothing(member: Any) -> None:
    with pytest.raises(TextRefused):
        inviting.invite(member, ADDRESS, note="look at http://evil.example")
    assert (rows(), spent(member)) == ((0, 0), 0)


def test_without_a_base_for_the_link_nothing_is_spent(member: Any, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    with pytest.raises(ImproperlyConfigured):
        inviting.invite(member, ADDRESS, site_id=0)
    assert (rows(), spent(member)) == ((0, 0), 0)


def test_a_failing_outbox_takes_invitation_and_quota_back(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(queueing, "write_new", fail)
    with pytest.raises(OSError, match="disk full"):
        inviting.invite(member, ADDRESS)
    assert (rows(), spent(member)) == ((0, 0), 0)


def test_a_stranger_may_not_invite() -> None:
    assert not inviting.may_invite(AnonymousUser())
    with pytest.raises(InvitingForbidden):
        inviting.invite(AnonymousUser(), ADDRESS)


def test_an_inactive_account_may_not_invite(member: Any) -> None:
    member.is_active = False
    with pytest.raises(InvitingForbidden):
        inviting.invite(member, ADDRESS)
    with pytest.raises(InvitingForbidden):
        inviting.create_without_address(member)


def test_the_permission_of_the_setting_is_needed(member: Any, settings: Any) -> None:
    settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    assert not inviting.may_invite(member)
    member.user_permissions.add(Permission.objects.get(codename="add_invitationkey"))
    assert inviting.may_invite(type(member)._default_manager.get(pk=member.pk))


# -- the same answer for everybody --


def test_an_address_with_an_account_is_invited_like_any_other(member: Any) -> None:
    make_user("bob", email=ADDRESS)
    invited = inviting.invite(member, ADDRESS)
    assert (invited.created, invited.mailed, spent(member)) == (True, True, 1)


def test_an_invitation_of_somebody_else_does_not_show(member: Any) -> None:
    make_invitation(make_user("ann"))
    invited = inviting.invite(member, ADDRESS)
    assert (invited.created, invited.mailed, spent(member)) == (True, True, 1)


def test_the_queries_do_not_depend_on_who_has_the_address(member: Any) -> None:
    make_user("bob", email=ADDRESS)
    make_invitation(make_user("ann"))
    inviting.invite(member, "warm@example.org")
    with CaptureQueriesContext(connection) as known:
        inviting.invite(member, ADDRESS)
    with CaptureQueriesContext(connection) as fresh:
        inviting.invite(member, "new@example.org")
    assert len(known) == len(fresh)


@pytest.mark.parametrize(("limited", "number"), [(True, 7), (False, 6)])
def test_inviting_costs_seven_statements(
    member: Any, django_assert_num_queries: Any, settings: Any, limited: bool, number: int
) -> None:
    inviting.invite(member, "warm@example.org")
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    if not limited:
        scenes.no_limits(settings)
    # Counter of the quota, invitation, ledger and email, between savepoint and release; and the
    # count of the limits. MariaDB and MySQL cannot insert or update on a condition.
    more = 2 if limited and connection.vendor == "mysql" else 0
    with django_assert_num_queries(number + more):
        inviting.invite(member, ADDRESS)


# -- 1.0's create --


def test_create_spends_and_addresses_nobody(member: Any, commit: Any) -> None:
    with commit() as callbacks:
        invitation = inviting.create_without_address(member)
    assert (invitation.email, invitation.pending_slot) == ("", None)
    assert invitation.mail_requested_at is None
    assert invitation.expires_at is not None
    assert (spent(member), rows()) == (1, (1, 0))
    assert len(callbacks) == 1


def test_two_invitations_to_nobody_stand_side_by_side(member: Any) -> None:
    assert inviting.create_without_address(member) != inviting.create_without_address(member)


def test_create_refuses_beyond_the_quota(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    with pytest.raises(QuotaExceeded):
        inviting.create_without_address(member)
    assert rows() == (0, 0)


# -- one open invitation per member and address --


def test_if_the_open_one_ends_meanwhile_there_is_a_new_one(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = inviting.invite(member, ADDRESS).invitation
    renew = InvitationKey.objects.renew

    def too_late(pk: int, **changes: Any) -> InvitationKey | None:
        inviting.revoke(taken)
        return renew(pk, **changes)

    monkeypatch.setattr(InvitationKey.objects, "renew", too_late)
    invited = inviting.invite(member, ADDRESS)
    assert invited.created
    assert (rows()[0], spent(member)) == (2, 2)


def test_one_that_another_request_opens_meanwhile_is_renewed(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = inviting.invite(member, ADDRESS).invitation
    # As if the spending had begun before the other request's commit.
    spend = InvitationQuota.objects.spend
    monkeypatch.setattr(
        InvitationQuota.objects, "spend", lambda *args, slot, **options: spend(*args, **options)
    )
    invited = inviting.invite(member, ADDRESS)
    assert (invited.created, invited.invitation) == (False, taken)
    assert (rows()[0], spent(member)) == (1, 1)


def test_after_some_rounds_it_gives_up(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inviting.invite(member, ADDRESS)
    monkeypatch.setattr(InvitationKey.objects, "renew", lambda pk, **changes: None)
    with pytest.raises(QuotaExceeded):
        inviting.invite(member, ADDRESS)
    assert (rows()[0], spent(member)) == (1, 1)


def test_deleting_rows_gives_nothing_back(member: Any) -> None:
    inviting.invite(member, ADDRESS)
    InvitationKey.objects.all().delete()
    assert InvitationQuota.objects.get().spent == 1


@pytest.mark.anywhere
@pytest.mark.parametrize("blank", ["", "  \n "], ids=["nothing", "blanks"])
def test_inviting_again_keeps_what_is_left_out(member: Any, blank: str) -> None:
    inviting.invite(member, ADDRESS, recipient_name="Bob", note="Hi", language="fr")
    again = inviting.invite(member, ADDRESS, recipient_name=blank, note=blank).invitation
    assert (again.recipient_name, again.note, again.language) == ("Bob", "Hi", "fr")


@pytest.mark.anywhere
def test_inviting_again_takes_what_is_given(member: Any) -> None:
    inviting.invite(member, ADDRESS, recipient_name="Bob", note="Hi", language="fr")
    named = inviting.invite(member, ADDRESS, recipient_name="Rob").invitation
    assert (named.recipient_name, named.note) == ("Rob", "Hi")
    noted = inviting.invite(member, ADDRESS, note="Ho", language="de").invitation
    assert (noted.recipient_name, noted.note, noted.language) == ("Rob", "Ho", "de")
