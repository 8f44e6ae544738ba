"""Accepting with an account that is there already: who may, what changes, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.db.models.signals import pre_save
from django.utils import timezone

from invitation import exceptions, keys
from invitation.flows import arriving
from invitation.keys import sites
from invitation.models import Acceptance, InvitationKey
from tests.factories import ADDRESS, DAY, make_invitation, make_user, open_it
from tests.flows.conftest import Heard
from tests.scenes import Crash, crashing

pytestmark = pytest.mark.django_db


def own_address(user: Any) -> list[str]:
    """Be the rule of a site that knows of every address that it is the holder's."""
    return [user.email]


def nonsense(user: Any) -> list[Any]:
    """Be a rule that returns what is no address."""
    return ["", None, "nobody", user.email, user.email.upper()]


@pytest.fixture
def bob(db: None) -> Any:
    """Return a member with the invited address."""
    return make_user("bob", email=ADDRESS)


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return make_invitation(member, site_id=sites.current_site_id())


def carrying(invitation: InvitationKey, *names: str) -> list[Group]:
    """Let an invitation carry groups, whether or not its inviter may give them."""
    groups = [Group.objects.get_or_create(name=name)[0] for name in names]
    invitation.groups.set(groups)
    return groups


def everything(user: Any) -> Any:
    """Be the rule of a site whose members may give every group."""
    return Group.objects.all()


# -- what it does --


@pytest.mark.anywhere
def test_the_mailed_key_lets_the_account_with_the_address_accept(
    invitation: InvitationKey, bob: Any
) -> None:
    before = get_user_model()._default_manager.count()
    acceptance = arriving.accept(open_it(invitation), bob)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses, invitation.pending_slot) == ("accepted", 1, None)
    assert acceptance == Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, bob)
    assert acceptance.new_account is False
    assert acceptance.activated_at == acceptance.claimed_at == invitation.ended_at
    assert get_user_model()._default_manager.count() == before


def test_the_account_joins_the_groups(settings: Any, invitation: InvitationKey, bob: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    groups = carrying(invitation, "Altos", "Basses")
    arriving.accept(open_it(invitation), bob)
    assert list(bob.groups.order_by("name")) == groups


def test_it_keeps_the_groups_that_it_has(
    settings: Any, invitation: InvitationKey, bob: Any
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    groups = carrying(invitation, "Altos", "Basses")
    bob.groups.add(groups[0], Group.objects.create(name="Own"))
    arriving.accept(open_it(invitation), bob)
    assert {group.name for group in bob.groups.all()} == {"Altos", "Basses", "Own"}


@pytest.mark.parametrize(("channel", "proven"), [(keys.MAIL, True), (keys.COPY, False)])
def test_it_is_announced_and_nothing_is_activated(
    settings: Any,
    commit: Any,
    heard: Heard,
    invitation: InvitationKey,
    bob: Any,
    channel: str,
    proven: bool,
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    with commit():
        acceptance = arriving.accept(open_it(invitation, channel), bob)
    assert heard.names() == ["invitation_accepted"]
    told = heard.last("invitation_accepted")
    assert (told["user"], told["acceptance"], told["status"]) == (bob, acceptance, "accepted")
    assert told["address_proven"] is proven


def test_activating_the_account_later_announces_nothing(
    commit: Any, heard: Heard, invitation: InvitationKey, bob: Any
) -> None:
    arriving.accept(open_it(invitation), bob)
    with commit():
        arriving.activate(bob)
    assert heard == []


@pytest.mark.parametrize("active", [True, False])
def test_an_account_that_goes_later_gives_nothing_back(
    invitation: InvitationKey, bob: Any, active: bool
) -> None:
    arriving.accept(open_it(invitation), bob)
    bob.is_active = active
    bob.delete()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("accepted", 1)
    assert Acceptance.objects.get().user is None


def test_accepting_with_the_mailed_key_is_four_statements_of_ours(
    invitation: InvitationKey, bob: Any, django_assert_num_queries: Any
) -> None:
    opened = open_it(invitation)
    # The use, the acceptance, the proof and a look at the row, between savepoint and release.
    with django_assert_num_queries(6):
        arriving.accept(opened, bob)


# -- who may --

REFUSED = {
    "the copied key proves nothing": (keys.COPY, ADDRESS, exceptions.AddressUnproven),
    "nor does no key": (None, ADDRESS, exceptions.AddressUnproven),
    "the mailed key is not for others": (keys.MAIL, "eve@example.org", exceptions.AddressMismatch),
    "the copied key is not either": (keys.COPY, "eve@example.org", exceptions.AddressMismatch),
    "others see nothing without a key": (None, "eve@example.org", exceptions.AddressMismatch),
    "an account without an address": (keys.MAIL, "", exceptions.AddressMismatch),
}


def shown(invitation: InvitationKey, channel: str | None) -> arriving.Opened | InvitationKey:
    return invitation if channel is None else open_it(invitation, channel)


@pytest.mark.parametrize(("channel", "email", "error"), REFUSED.values(), ids=REFUSED)
def test_whose_address_is_not_proven_is_refused_and_nothing_changes(
    invitation: InvitationKey, channel: str | None, email: str, error: type[Exception]
) -> None:
    user = make_user("eve", email=email)
    with pytest.raises(error):
        arriving.accept(shown(invitation, channel), user)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)
    assert not Acceptance.objects.exists()


@pytest.mark.anywhere
@pytest.mark.parametrize("channel", [keys.MAIL, keys.COPY, None])
@pytest.mark.parametrize("rule", [own_address, nonsense])
def test_an_address_that_the_site_knows_to_be_proven_is_enough(
    settings: Any,
    invitation: InvitationKey,
    bob: Any,
    channel: str | None,
    rule: Callable[[Any], list[Any]],
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = rule
    assert arriving.refusal_to_accept(shown(invitation, channel), bob) is None
    assert arriving.accept(shown(invitation, channel), bob).user == bob


def test_a_second_address_of_the_account_counts_if_it_is_proven(
    settings: Any, invitation: InvitationKey
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: [user.email, ADDRESS.upper()]
    arriving.accept(open_it(invitation, keys.COPY), make_user("eve"))
    assert Acceptance.objects.get().user.get_username() == "eve"


def test_an_inactive_account_has_proven_nothing(
    settings: Any, invitation: InvitationKey, bob: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    bob.is_active = False
    with pytest.raises(exceptions.AddressUnproven):
        arriving.accept(invitation, bob)


@pytest.mark.parametrize("channel", [keys.MAIL, keys.COPY])
def test_with_the_policy_any_whoever_holds_a_key_may_and_proves_nothing(
    settings: Any, commit: Any, heard: Heard, invitation: InvitationKey, channel: str
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    with commit():
        arriving.accept(open_it(invitation, channel), make_user("eve"))
    assert heard.last("invitation_accepted")["address_proven"] is False


def test_with_the_policy_any_nobody_may_without_a_key(
    settings: Any, invitation: InvitationKey
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    with pytest.raises(exceptions.AddressMismatch) as refused:
        arriving.accept(invitation, make_user("eve"))
    assert refused.value.params == {"email": ADDRESS}


@pytest.mark.parametrize("policy", ["exact", "any"])
def test_nobody_accepts_his_own(settings: Any, policy: str, member: Any) -> None:
    settings.INVITATION_EMAIL_POLICY = policy
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    # They have taken the address since.
    invitation = make_invitation(member, member.email)
    for key in (keys.MAIL, keys.COPY, None):
        with pytest.raises(exceptions.OwnInvitation):
            arriving.accept(shown(invitation, key), member)


def test_an_invitation_whose_inviter_is_gone_is_nobodys_own(bob: Any) -> None:
    assert arriving.accept(open_it(make_invitation(None)), bob).user == bob


# -- invitations that name nobody --


def test_a_shared_link_with_groups_lets_everybody_join_once(settings: Any, member: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    link = make_invitation(member, "", shared=True, max_uses=None)
    [group] = carrying(link, "Altos")
    ann, bob = make_user("ann"), make_user("bob")
    for user in (ann, bob):
        arriving.accept(open_it(link, keys.COPY), user)
        with pytest.raises(exceptions.AlreadyAccepted):
            arriving.accept(open_it(link, keys.COPY), user)
    link.refresh_from_db()
    assert (link.uses, link.status) == (2, "pending")
    assert set(group.user_set.all()) == {ann, bob}


@pytest.mark.parametrize("shared", [True, False])
def test_without_groups_there_is_nothing_to_join(member: Any, bob: Any, shared: bool) -> None:
    with pytest.raises(exceptions.NothingToJoin):
        arriving.accept(open_it(make_invitation(member, "", shared=shared)), bob)


def test_nor_with_groups_that_its_owner_may_not_give(member: Any, bob: Any) -> None:
    link = make_invitation(member, "", shared=True)
    carrying(link, "Altos")
    with pytest.raises(exceptions.NothingToJoin):
        arriving.accept(open_it(link), bob)


def test_who_registered_with_a_shared_link_has_used_it(settings: Any, member: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    link = make_invitation(member, "", shared=True, max_uses=3)
    carrying(link, "Altos")
    user = arriving.claim(open_it(link), lambda: make_user("ann"), email="ann@example.com")
    with pytest.raises(exceptions.AlreadyAccepted):
        arriving.accept(open_it(link), user)


def test_an_invitation_that_names_nobody_is_in_nobodys_inbox(member: Any, bob: Any) -> None:
    with pytest.raises(exceptions.AddressMismatch):
        arriving.accept(make_invitation(member, "", shared=True), bob)


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("proven", "joins"),
    [
        (["bob@example.org"], True),
        (["bob@EXAMPLE.ORG"], True),
        (["bob@sub.example.org"], False),
        (["bob@notexample.org"], False),
        ([], False),
    ],
)
def test_a_shared_link_for_domains_is_for_proven_addresses_there(
    settings: Any, member: Any, bob: Any, proven: list[str], joins: bool
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: proven
    link = make_invitation(member, "", shared=True, allowed_domains=["example.org"])
    carrying(link, "Altos")
    refusal = arriving.refusal_to_accept(open_it(link), bob)
    assert (refusal is None) is joins
    assert joins or isinstance(refusal, exceptions.AddressUnproven)


# -- who comes too late --


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "accepted", "uses": 1}, exceptions.KeyUsedUp),
        ({"status": "revoked"}, exceptions.KeyRevoked),
        ({"status": "declined"}, exceptions.KeyDeclined),
        ({"status": "expired"}, exceptions.KeyExpired),
        ({"expires_at": timezone.now() - DAY}, exceptions.KeyExpired),
        ({"locator": "another"}, exceptions.KeyNotFound),
    ],
)
def test_who_opened_in_time_but_accepts_too_late_hears_why(
    invitation: InvitationKey, bob: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    opened = open_it(invitation)
    InvitationKey.objects.update(pending_slot=None, **changes)
    with pytest.raises(error):
        arriving.accept(opened, bob)
    assert not Acceptance.objects.exists()


def test_who_has_accepted_in_another_tab_is_told_so(invitation: InvitationKey, bob: Any) -> None:
    opened, again = open_it(invitation), open_it(invitation)
    arriving.accept(opened, bob)
    with pytest.raises(exceptions.AlreadyAccepted):
        arriving.accept(again, bob)
    assert Acceptance.objects.count() == 1


def test_who_is_faster_in_another_tab_costs_no_second_use(
    settings: Any, member: Any, bob: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = everything
    link = make_invitation(member, "", shared=True, max_uses=5)
    carrying(link, "Altos")
    arriving.accept(open_it(link), bob)
    # Both tabs have looked before either has accepted.
    monkeypatch.setattr("invitation.flows.arriving.accepting.refusal_to_accept", lambda *_: None)
    with pytest.raises(exceptions.AlreadyAccepted):
        arriving.accept(open_it(link), bob)
    link.refresh_from_db()
    assert (link.uses, Acceptance.objects.count()) == (1, 1)


def test_another_breach_of_integrity_is_not_hidden(invitation: InvitationKey, bob: Any) -> None:
    with crashing(pre_save, IntegrityError, sender=Acceptance), pytest.raises(IntegrityError):
        arriving.accept(open_it(invitation), bob)
    assert open_it(invitation)


def test_a_crash_leaves_nothing(
    heard: Heard, commit: Any, invitation: InvitationKey, bob: Any
) -> None:
    with crashing(pre_save, sender=Acceptance), commit(), pytest.raises(Crash):
        arriving.accept(open_it(invitation), bob)
    assert open_it(invitation)
    assert heard == []
    assert not Acceptance.objects.exists()


# -- what has come --


@pytest.mark.anywhere
def test_what_came_to_a_proven_address_is_found(
    settings: Any, invitation: InvitationKey, bob: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    make_invitation(make_user("eve"), "somebody@example.org", site_id=invitation.site_id)
    make_invitation(bob, "his-guest@example.org", site_id=invitation.site_id)
    assert list(arriving.received_invitations(bob)) == [invitation]
    assert list(arriving.received_invitations(bob, invitation.site_id + 1)) == []


def test_one_whose_inviter_is_gone_is_found_too(settings: Any, bob: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    invitation = make_invitation(None)
    assert list(arriving.received_invitations(bob)) == [invitation]


def test_his_own_is_not(settings: Any, member: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    make_invitation(member, member.email)
    assert list(arriving.received_invitations(member)) == []


@pytest.mark.parametrize("rule", [None, lambda user: []])
def test_who_has_proven_nothing_finds_nothing_and_no_row_is_asked(
    settings: Any,
    invitation: InvitationKey,
    bob: Any,
    rule: Any,
    django_assert_num_queries: Any,
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = rule
    with django_assert_num_queries(0):
        assert list(arriving.received_invitations(bob)) == []


@pytest.mark.parametrize("ended", ["accepted", "revoked", "declined", "expired"])
def test_ended_ones_are_found_for_their_page_to_say_so(settings: Any, bob: Any, ended: str) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    invitation = make_invitation(None, status=ended)
    assert list(arriving.received_invitations(bob)) == [invitation]
    assert list(arriving.received_invitations(bob).usable()) == []


# -- keys of what has been accepted --


def test_the_key_of_what_one_has_accepted_is_known_again(
    invitation: InvitationKey, bob: Any
) -> None:
    arriving.accept(open_it(invitation), bob)
    site = invitation.site_id
    assert arriving.find_accepted(invitation.key, bob, site) == invitation
    assert arriving.find_accepted(invitation.key, make_user("eve"), site) is None
    assert arriving.find_accepted("nonsense", bob, site) is None
    assert arriving.find_accepted(invitation.key, bob, site + 1) is None


# -- declining without a key --


def test_an_invitation_of_the_inbox_is_declined(
    commit: Any, heard: Heard, invitation: InvitationKey
) -> None:
    with commit():
        arriving.decline(invitation)
    assert heard.names() == ["invitation_declined"]
    with pytest.raises(exceptions.KeyDeclined):
        arriving.decline(invitation)
