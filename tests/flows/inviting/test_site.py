"""Invitations in the site's own name: what they cost, may do, and say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import mail as outgoing
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from invitation import signals
from invitation.addresses.recipients import Recipient
from invitation.conf import DELIVERY
from invitation.exceptions import MailLimitReached, NoteForbidden, TextRefused
from invitation.flows import arriving, inviting, lists, privacy, upkeep
from invitation.models import Acceptance, InvitationKey, InvitationQuota, QuotaEntry
from tests import scenes
from tests.factories import ADDRESS, DAY, make_invitation, make_user, open_it
from tests.scenes import LANDING, NEWCOMER, REGISTER, answers

pytestmark = pytest.mark.django_db
LINK = "See https://example.org/club for more."


def site_invites(email: str = ADDRESS, **fields: Any) -> InvitationKey:
    return inviting.invite(None, email, **fields).invitation


@pytest.fixture(autouse=True)
def _real_emails(settings: Any) -> None:
    settings.INVITATION_DELIVERY = DELIVERY


@pytest.fixture
def board(db: None) -> Group:
    return Group.objects.create(name="Board")


# -- inviting --


@pytest.mark.anywhere
def test_the_site_invites_without_a_quota(commit: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    with commit():
        invited = inviting.invite(None, ADDRESS, recipient_name="Bob", note="Welcome.")
    row = InvitationKey.objects.get()
    assert (invited.created, invited.mailed, invited.invitation) == (True, True, row)
    assert (row.from_user, row.from_site, row.quota_held) == (None, True, 0)
    assert not QuotaEntry.objects.exists()
    assert not InvitationQuota.objects.exists()
    assert [message.to for message in outgoing.outbox] == [[ADDRESS]]


def test_a_members_invitation_is_not_from_the_site(member: Any) -> None:
    assert scenes.invite(member).from_site is False
    with pytest.raises(IntegrityError), transaction.atomic():
        InvitationKey.objects.update(from_site=True)


def test_inviting_an_address_again_renews_the_invitation(member: Any) -> None:
    first = site_invites(recipient_name="Bob")
    again = inviting.invite(None, ADDRESS, note="Still welcome.")
    assert (again.created, again.mailed, again.invitation) == (False, False, first)
    assert (again.invitation.recipient_name, again.invitation.note) == ("Bob", "Still welcome.")
    assert inviting.invite(member, ADDRESS).created  # an invitation of somebody else


def test_an_invitation_whose_member_is_gone_is_not_the_sites(settings: Any, member: Any) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    theirs = scenes.invite(member, ADDRESS)
    member.delete()
    theirs.refresh_from_db()
    assert (theirs.from_user, theirs.from_site, theirs.status) == (None, False, "pending")
    assert inviting.invite(None, ADDRESS).created


def test_it_takes_few_statements(django_assert_num_queries: Any, member: Any) -> None:
    inviting.invite(None, "first@example.org", mail=False)
    with django_assert_num_queries(5):
        inviting.invite(None, ADDRESS, mail=False)


def test_the_limits_of_recipient_domain_and_site_hold(settings: Any) -> None:
    settings.INVITATION_LIMITS = {"inviter": 0}
    site_invites()
    for name in ("recipient", "domain", "site"):
        settings.INVITATION_LIMITS = {name: 0}
        with pytest.raises(MailLimitReached):
            site_invites("new@example.org")
    assert InvitationKey.objects.count() == 1


def test_the_site_may_write_every_note_and_no_longer_one(settings: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    invitation = site_invites(note=LINK)
    assert invitation.note == LINK
    inviting.edit(invitation, recipient_name="", note=LINK + " Bye.")
    assert InvitationKey.objects.get().note == LINK + " Bye."
    with pytest.raises(TextRefused):
        site_invites("new@example.org", note="x" * 501)


def test_a_member_who_is_gone_writes_no_note(settings: Any, member: Any) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    invitation = scenes.invite(member)
    member.delete()
    invitation.refresh_from_db()
    with pytest.raises(NoteForbidden):
        inviting.edit(invitation, recipient_name="", note="Hello")


def test_a_preview_is_in_the_sites_name(settings: Any) -> None:
    settings.INVITATION_SITE_NAME = "Harbour Choir"
    preview = inviting.preview(None, ADDRESS, note=LINK)
    assert "Harbour Choir" in preview.text
    assert LINK in preview.text
    assert "None" not in preview.text + preview.html + preview.subject


# -- what becomes of it --


def test_the_newcomer_reads_the_name_of_the_site_and_joins_the_groups(
    settings: Any, commit: Any, board: Group
) -> None:
    settings.INVITATION_SITE_NAME = "Harbour Choir"
    with commit():
        invitation = site_invites(NEWCOMER, groups=[board])
    [message] = outgoing.outbox
    html = message.alternatives[0][0]
    assert "Harbour Choir" in message.subject
    assert "None" not in message.subject + message.body + html
    newcomer = scenes.visit(invitation)
    for path in (LANDING, REGISTER):
        page = newcomer.get(path).content.decode()
        assert "None" not in page
        assert "Harbour Choir" in page
    with commit():
        newcomer.post(REGISTER, answers())
    with commit():
        scenes.activate(newcomer, scenes.path_in(outgoing.outbox[1], part="/activate/"))
    account = scenes.accounts().get()
    assert list(account.groups.all()) == [board]
    assert Acceptance.objects.get().invitation.status == "accepted"


def test_a_member_accepts_it_and_joins(board: Group, client: Client, settings: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: [user.email]
    bob = make_user("bob", email=ADDRESS)
    site_invites(groups=[board])
    client.force_login(bob)
    page = client.get("/accounts/invitations/received/")
    assert "Board" in page.content.decode()
    assert "None" not in page.content.decode()
    arriving.accept(InvitationKey.objects.get(), bob)
    assert list(bob.groups.all()) == [board]


def test_a_group_of_a_member_who_is_gone_is_not_joined(settings: Any, board: Group) -> None:
    invitation = make_invitation(None)
    invitation.groups.add(board)
    assert inviting.groups_to_join(invitation) == []
    assert inviting.groups_to_join_of([invitation]) == {invitation.pk: []}


def test_its_groups_can_be_changed(board: Group) -> None:
    invitation = site_invites()
    inviting.edit(invitation, recipient_name="", note="", groups=[board])
    assert inviting.groups_to_join(invitation) == [board]


def test_a_use_that_is_released_costs_nothing() -> None:
    invitation = site_invites()
    arriving.claim(
        open_it(invitation),
        lambda: make_user("bob", email=ADDRESS, is_active=False),
        email=ADDRESS,
    ).delete()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)
    assert invitation.pending_slot == invitation.slot()


def test_it_expires_and_can_be_extended_and_resent(commit: Any) -> None:
    invitation = site_invites()
    with time_machine.travel(timezone.now() + 8 * DAY, tick=False):
        assert upkeep.clean_up()[0] == 1
        invitation.refresh_from_db()
        assert invitation.status == "expired"
        with commit():
            inviting.resend(invitation)
    assert (invitation.status, invitation.quota_held) == ("pending", 0)
    assert len(outgoing.outbox) == 1
    assert not QuotaEntry.objects.exists()


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_a_request_for_a_new_one_is_recorded_without_an_email(end: str, commit: Any) -> None:
    invitation = site_invites()
    scenes.end(invitation, end)
    with scenes.received(signals.invitation_renewal_requested) as sent, commit():
        assert inviting.ask_for_renewal(invitation.mail_key)
        assert not inviting.ask_for_renewal(invitation.mail_key)  # one a day
    assert [one["invitation"] for one in sent] == [invitation]
    assert outgoing.outbox == []
    invitation.refresh_from_db()
    assert invitation.renewal_requested_at is not None
    assert inviting.is_renewable(invitation)
    assert not inviting.renewal_costs(invitation)
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        renewed = inviting.renew(invitation)
    assert renewed.mailed
    assert (renewed.invitation.from_site, renewed.invitation.status) == (True, "pending")


def test_nobody_is_asked_for_the_invitation_of_a_member_who_is_gone() -> None:
    invitation = make_invitation(None, status=InvitationKey.Status.REVOKED)
    assert not inviting.ask_for_renewal(invitation.mail_key)
    assert not inviting.is_renewable(invitation)


def test_the_record_of_a_person_says_that_the_site_invited() -> None:
    site_invites()
    [record] = privacy.export(ADDRESS)["invitations"]
    assert (record["from"], record["from_site"]) == ("", True)


# -- lists --


def test_a_list_of_the_site_has_no_quota(settings: Any, board: Group) -> None:
    settings.INVITATIONS_PER_USER = 0
    people = [
        Recipient(1, "ann@example.org", groups=("Board",)),
        Recipient(2, "bob@example.org", note=LINK),
        Recipient(3, "nobody"),
    ]
    looked = lists.check_list(None, people)
    assert [row.verdict for row in looked.rows] == ["new", "new", "invalid"]
    made = lists.invite_many(None, people, batch=looked.id)
    assert [row.verdict for row in made.rows] == ["invited", "invited", "invalid"]
    ann, bob = InvitationKey.objects.order_by("pk")
    assert (ann.from_site, ann.quota_held, bob.note) == (True, 0, LINK)
    assert inviting.groups_to_join(ann) == [board]
    assert lists.waiting_in_list(None, looked.id) == 2
    assert not QuotaEntry.objects.exists()
    # The same list again, and the same people on another list.
    assert lists.invite_many(None, people, batch=looked.id).count(lists.Verdict.INVITED) == 2
    assert lists.invite_many(None, people).count(lists.Verdict.ALREADY) == 2
    assert InvitationKey.objects.count() == 2


def test_a_list_of_the_site_keeps_to_its_limits(settings: Any) -> None:
    settings.INVITATION_LIMITS = {"site": 1}
    people = [Recipient(number, f"guest{number}@example.org") for number in (1, 2)]
    made = lists.invite_many(None, people)
    assert [row.verdict for row in made.rows] == ["invited", "over_limit"]


def test_deleting_an_account_leaves_the_sites_invitations_alone() -> None:
    invitation = site_invites()
    get_user_model()._default_manager.all().delete()
    invitation.refresh_from_db()
    assert invitation.status == "pending"
