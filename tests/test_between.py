"""What features do to each other: each of these was wrong while every feature was right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from invitation.addresses.networks import network
from invitation.addresses.recipients import Recipient
from invitation.exceptions import (
    AddressBlocked,
    InviterInactive,
    KeyExpired,
    NotPending,
    NotRenewable,
    SharingForbidden,
    TooManyAttempts,
)
from invitation.flows import arriving, inviting, lists, mail, quota, sharing, upkeep
from invitation.flows.quota import Limit, attempt
from invitation.models import Acceptance, InvitationEmail, InvitationKey, ThrottleCounter
from invitation.views.joining import JoinView
from tests import scenes, staff
from tests.factories import ADDRESS, DAY, make_invitation, make_user, open_it, register, spent

pytestmark = pytest.mark.django_db

OUTBOX = "invitation.delivery.outbox.OutboxDelivery"


@pytest.fixture
def sharer() -> Any:
    return scenes.may_share(make_user("sharer"))


def share(sharer: Any, max_uses: int = 10, **terms: Any) -> InvitationKey:
    return sharing.share(sharer, label="Fair", max_uses=max_uses, expires_at=None, **terms)


def come(link: InvitationKey, number: int) -> None:
    for at in range(number):
        register(link, f"guest{at}", email=f"guest{at}@example.org")


# -- inviters who are not active --


def leave(member: Any) -> None:
    type(member)._default_manager.filter(pk=member.pk).update(is_active=False)


@pytest.mark.parametrize("shared", [False, True], ids=["personal", "shared"])
def test_what_was_opened_before_its_inviter_left_is_not_claimed(sharer: Any, shared: bool) -> None:
    opened = open_it(share(sharer) if shared else make_invitation(sharer))
    leave(sharer)
    with pytest.raises(InviterInactive):
        arriving.claim(opened, lambda: make_user("invited", email=ADDRESS), email=ADDRESS)
    assert not Acceptance.objects.exists()
    opened.invitation.refresh_from_db()
    assert opened.invitation.uses == 0


def test_nor_is_it_accepted_with_an_account_that_is_there(member: Any) -> None:
    opened = open_it(make_invitation(member))
    leave(member)
    with pytest.raises(InviterInactive):
        arriving.accept(opened, make_user("invited", email=ADDRESS))


def test_groups_go_by_what_the_inviter_may_give_at_the_claim(member: Any, settings: Any) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
    choir = Group.objects.create(name="choir")
    opened = open_it(inviting.invite(member, ADDRESS, groups=[choir]).invitation)
    leave(member)
    invited = arriving.claim(opened, lambda: make_user("invited", email=ADDRESS), email=ADDRESS)
    assert not invited.groups.exists()


def test_the_inbox_does_not_accept_while_the_inviter_is_away(member: Any, settings: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: [user.email]
    invited = make_user("invited")
    invitation = scenes.invite(member, invited.email)
    browser = Client()
    browser.force_login(invited)
    leave(member)
    answer = browser.post(f"/accounts/invitations/received/{invitation.pk}/accept/")
    assert (answer.status_code, answer.context["error_code"]) == (409, "inviter_inactive_key")
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)


# -- renewing beside a newer invitation --


def test_renewing_a_withdrawn_one_leaves_a_newer_one_as_it_is(member: Any, settings: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
    old = scenes.invite(member, ADDRESS, note="old", groups=[Group.objects.create(name="wrong")])
    inviting.revoke(old)
    new = scenes.invite(member, ADDRESS, note="new", recipient_name="Bob")
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    InvitationEmail.objects.update(state="sent", lease_until=None)
    renewed = inviting.renew(old)
    assert (renewed.invitation, renewed.created, renewed.mailed) == (new, False, True)
    new.refresh_from_db()
    assert (new.note, new.recipient_name, list(new.groups.all())) == ("new", "Bob", [])
    assert not inviting.renew(old).mailed
    assert spent(member) == 2


def test_what_is_invited_anew_keeps_its_groups_and_its_landing_page(
    member: Any, settings: Any
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
    group = Group.objects.create(name="Altos")
    old = scenes.invite(member, ADDRESS, groups=[group], destination="/welcome/")
    inviting.revoke(old)
    new = inviting.renew(old).invitation
    assert (new.destination, list(new.groups.all())) == ("/welcome/", [group])


# -- rewards and what shared links give back --


def test_what_is_invited_anew_loses_a_group_that_may_no_longer_be_given(
    member: Any, settings: Any
) -> None:
    altos = Group.objects.create(name="Altos")
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    invitation = inviting.invite(member, ADDRESS, groups=[altos], mail=False).invitation
    inviting.revoke(invitation)
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: []
    renewed = inviting.renew(invitation).invitation
    assert not renewed.groups.exists()


def test_a_reward_takes_nothing_from_what_a_link_gives_back(
    sharer: Any, settings: Any, commit: Any
) -> None:
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=30)
    settings.INVITATION_REWARD = 2
    link = share(sharer)
    with commit():
        come(link, 4)
    sharing.close(link)
    assert spent(sharer) == 4
    assert quota.ledger_differences() == []


# -- lists that are posted again --


def test_a_list_that_invited_nobody_invites_nobody_later(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    people = [Recipient(1, ADDRESS)]
    batch = lists.invite_many(member, people)
    settings.INVITATIONS_PER_USER = 10
    again = lists.invite_many(member, people, batch=batch.id)
    assert [row.verdict for row in again.rows] == ["over_quota"]
    assert not InvitationKey.objects.exists()


def test_a_list_whose_invitations_are_gone_makes_no_new_ones(member: Any) -> None:
    people = [Recipient(1, ADDRESS)]
    batch = lists.invite_many(member, people)
    InvitationKey.objects.all().delete()
    lists.invite_many(member, people, batch=batch.id)
    assert not InvitationKey.objects.exists()


# -- recipients that are blocked later --


def test_an_expired_one_to_a_blocked_address_is_not_opened_again(
    member: Any, settings: Any
) -> None:
    invitation = make_invitation(member, status="expired")
    settings.INVITATION_BLOCKED_RECIPIENTS = [ADDRESS]
    with pytest.raises(AddressBlocked):
        inviting.extend(invitation)
    assert InvitationKey.objects.get().status == "expired"


def test_an_expired_one_that_is_addressed_to_nobody_is_opened_again(member: Any) -> None:
    invitation = make_invitation(member, "", status="expired")
    inviting.extend(invitation)
    assert invitation.is_usable()


def test_a_mail_that_waits_does_not_leave_for_a_blocked_address(
    member: Any, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.INVITATION_DELIVERY = OUTBOX
    scenes.invite(member, ADDRESS)
    settings.INVITATION_BLOCKED_RECIPIENTS = [ADDRESS]
    assert mail.deliver_due() == (0, 1)
    assert mailoutbox == []
    assert InvitationEmail.objects.get().state == "failed"


def test_one_blocked_address_does_not_stop_an_action_of_the_admin(
    member: Any, settings: Any
) -> None:
    for name in ("one", "noreply", "two"):
        make_invitation(member, f"{name}@example.org", status="expired")
    # As if it had been let in by an older rule.
    InvitationKey.objects.filter(email__startswith="noreply").update(email="a b@example.org")
    chosen = list(InvitationKey.objects.values_list("pk", flat=True))
    answer = staff.boss().post(
        "/admin/invitation/invitationkey/",
        {"action": "resend", "_selected_action": chosen},
        follow=True,
    )
    said = [str(message) for message in answer.context["messages"]]
    assert any(text.startswith("2 invitations were resent") for text in said)
    assert any(text.startswith("1 invitation is to an address") for text in said)


# -- what has run out and is not cleaned up yet --


@pytest.mark.parametrize("verb", [inviting.revoke, arriving.decline])
def test_what_has_run_out_is_left_to_cleanup_and_gives_back(member: Any, verb: Any) -> None:
    invitation = scenes.invite(member, ADDRESS)
    InvitationKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises((NotPending, KeyExpired)):
        verb(invitation)
    upkeep.expire()
    assert spent(member) == 0


def test_closing_a_link_that_has_run_out_pays_nothing_past_the_setting(
    sharer: Any, settings: Any
) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    link = share(sharer)
    InvitationKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotPending):
        sharing.close(link)
    upkeep.expire()
    assert spent(sharer) == 10


# -- the throttle --


def test_many_small_networks_of_one_household_do_not_shut_out_everybody() -> None:
    view = JoinView()
    view.client_address = lambda: "2001:db8:1:2::3"  # type: ignore[method-assign]
    assert [limit.times for limit in view.get_limits()] == [20, 100, 5000]
    view.client_address = lambda: "192.0.2.1"  # type: ignore[method-assign]
    assert [limit.times for limit in view.get_limits()] == [20, 5000]
    assert network("2001:db8:1:2::3", 48) == network("2001:db8:1:ffff::1", 48) == "2001:db8:1::/48"


def test_who_is_stopped_by_the_limit_of_all_loses_nothing_of_his_own() -> None:
    limits = [Limit("mine", 2, DAY), Limit("all", 1, DAY)]
    attempt(limits)
    for _time in range(3):
        with pytest.raises(TooManyAttempts):
            attempt(limits)
    assert sorted(ThrottleCounter.objects.values_list("count", flat=True)) == [1, 1]


# -- groups that are shown --


def test_the_inbox_names_only_the_groups_that_will_be_joined(
    member: Any, settings: Any, django_assert_max_num_queries: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: [user.email]
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
    groups = [Group.objects.create(name=name) for name in ("Tenors", "Altos", "Bosses")]
    invited = make_user("invited")
    scenes.invite(member, invited.email, groups=groups)
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.exclude(name="Bosses")
    browser = Client()
    browser.force_login(invited)
    page = browser.get("/accounts/invitations/received/")
    [shown] = page.context["invitations"]
    assert [group.name for group in shown.groups_to_join] == ["Altos", "Tenors"]
    assert b"Bosses" not in page.content


# -- a second click --


def test_a_second_click_makes_no_second_link(sharer: Any) -> None:
    browser = Client()
    browser.force_login(sharer)
    once = browser.get("/accounts/invite/link/").context["form"]["once"].value()
    typed = {"label": "Fair", "max_uses": 3, "once": once}
    assert browser.post("/accounts/invite/link/", typed).status_code == 302
    again = browser.post("/accounts/invite/link/", typed)
    assert again.status_code == 200
    assert "already created" in str(again.context["form"].non_field_errors())
    assert (InvitationKey.objects.count(), spent(sharer)) == (1, 3)


def test_nor_is_its_own_word_taken_for_somebody_elses(sharer: Any) -> None:
    browser = Client()
    browser.force_login(sharer)
    form = browser.get("/accounts/invite/link/").context["form"]
    typed = {"label": "Fair", "max_uses": 3, "word": "fair", "once": form["once"].value()}
    assert browser.post("/accounts/invite/link/", typed).status_code == 302
    again = browser.post("/accounts/invite/link/", typed).context["form"]
    assert "already created" in str(again.non_field_errors())
    other = browser.post("/accounts/invite/link/", {**typed, "once": "another"}).context["form"]
    assert "is taken" in str(other["word"].errors)


# -- dead shared links --


def test_nobody_is_asked_for_a_new_shared_link(sharer: Any) -> None:
    link = share(sharer)
    sharing.close(link)
    page = Client().get(scenes.link(link.key)).content.decode()
    assert "renewal" not in page
    personal = scenes.invite(sharer, ADDRESS)
    opened = open_it(personal)
    inviting.revoke(personal)
    assert "renewal" in Client().get(scenes.link(opened.key)).content.decode()


# -- what is left of a member who is gone --


def test_nobody_can_renew_or_enlarge_what_has_no_inviter_any_more(
    sharer: Any, settings: Any
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    link = share(sharer, 3)
    personal = scenes.invite(sharer, ADDRESS)
    inviting.revoke(personal)
    sharer.delete()
    for row in (link, personal):
        row.refresh_from_db()
    assert not inviting.renewal_costs(personal)
    with pytest.raises(NotRenewable):
        inviting.renew(personal)
    with pytest.raises(SharingForbidden):
        sharing.edit_shared(link, label="Fair", max_uses=None, expires_at=None)
