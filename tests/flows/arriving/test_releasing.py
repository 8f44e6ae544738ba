"""Two steps: activation is recorded once, and an account that never was gives its use back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.utils import timezone

from invitation.exceptions import KeyExpired, KeyUsedUp
from invitation.flows import arriving, inviting, upkeep
from invitation.models import Acceptance, InvitationKey
from tests.factories import (
    ADDRESS,
    DAY,
    make_acceptance,
    make_invitation,
    make_user,
    open_it,
    register,
)
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db


@pytest.fixture
def newcomer(member: Any) -> Any:
    """Return an account that came by invitation and is not active yet."""
    return register(make_invitation(member), is_active=False)


# -- activate --


def test_activation_is_recorded_and_told_once(newcomer: Any, commit: Any, heard: Heard) -> None:
    newcomer.is_active = True
    with commit():
        arriving.activate(newcomer)
        arriving.activate(newcomer)
    assert heard.names() == ["invitation_activated"]
    told = heard.last("invitation_activated")
    assert (told["user"], told["acceptance"]) == (newcomer, Acceptance.objects.get())
    assert told["acceptance"].activated_at == Acceptance.objects.get().activated_at is not None


def test_an_account_that_staff_closed_was_activated_before(newcomer: Any, member: Any) -> None:
    assert not arriving.was_activated(newcomer)
    newcomer.is_active = True
    arriving.activate(newcomer)
    newcomer.is_active = False
    assert arriving.was_activated(newcomer)
    assert not arriving.was_activated(member)


def test_an_account_that_is_not_active_is_not_activated(newcomer: Any) -> None:
    arriving.activate(newcomer)
    assert Acceptance.objects.get().activated_at is None


def test_an_account_without_invitation_is_no_matter(commit: Any, heard: Heard) -> None:
    with commit():
        arriving.activate(make_user())
    assert heard == []


def test_of_two_activations_one_is_news(newcomer: Any, commit: Any, heard: Heard) -> None:
    newcomer.is_active = True
    with commit():
        arriving.activate(newcomer)
    Acceptance.objects.update(activated_at=None)
    assert Acceptance.objects.activate(Acceptance.objects.get().pk, timezone.now())
    assert not Acceptance.objects.activate(Acceptance.objects.get().pk, timezone.now())


def test_who_loses_the_race_to_activate_tells_nothing(
    newcomer: Any, commit: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer.is_active = True
    monkeypatch.setattr(Acceptance.objects, "activate", lambda pk, now: False)
    with commit():
        arriving.activate(newcomer)
    assert heard == []


# -- release --


@pytest.mark.anywhere
def test_a_deleted_unactivated_account_gives_its_use_back(newcomer: Any) -> None:
    newcomer.delete()
    invitation = InvitationKey.objects.get()
    assert (invitation.status, invitation.uses, invitation.ended_at) == ("pending", 0, None)
    assert invitation.pending_slot == invitation.slot()
    assert not Acceptance.objects.exists()


def test_and_somebody_can_register_with_it_again(newcomer: Any) -> None:
    newcomer.delete()
    assert register(InvitationKey.objects.get(), "bob2")


def test_deleting_many_accounts_at_once_gives_back_too(newcomer: Any) -> None:
    get_user_model()._default_manager.filter(is_active=False).delete()
    assert InvitationKey.objects.get().is_usable()


def test_it_works_until_it_expires_and_no_longer(newcomer: Any) -> None:
    with time_machine.travel(timezone.now() + 2 * DAY, tick=False):
        newcomer.delete()
        with pytest.raises(KeyExpired):
            open_it(InvitationKey.objects.get())
        assert upkeep.expire() == 1


def test_an_active_account_that_is_deleted_gives_nothing_back() -> None:
    register(make_invitation()).delete()
    with pytest.raises(KeyUsedUp):
        open_it(InvitationKey.objects.get())
    assert Acceptance.objects.get().user is None


def test_deleting_an_account_does_not_change_when_it_was_activated() -> None:
    user = register(make_invitation())
    activated_at = Acceptance.objects.get().activated_at
    user.delete()
    assert Acceptance.objects.get().activated_at == activated_at is not None


def test_nor_does_one_that_was_activated_behind_our_back(newcomer: Any) -> None:
    newcomer.is_active = True
    newcomer.save()
    newcomer.delete()
    assert InvitationKey.objects.get().status == "accepted"
    assert Acceptance.objects.get().activated_at is not None


def test_nor_does_one_that_had_logged_in_and_was_closed(newcomer: Any) -> None:
    newcomer.last_login = timezone.now()
    newcomer.save()
    newcomer.delete()
    assert InvitationKey.objects.get().status == "accepted"


def test_nor_does_one_that_was_activated_and_closed(newcomer: Any) -> None:
    newcomer.is_active = True
    arriving.activate(newcomer)
    newcomer.is_active = False
    newcomer.save()
    newcomer.delete()
    assert InvitationKey.objects.get().status == "accepted"


def test_if_the_slot_is_taken_meanwhile_it_ends(member: Any, newcomer: Any) -> None:
    old = InvitationKey.objects.get()
    new = inviting.invite(member, ADDRESS).invitation
    newcomer.delete()
    old.refresh_from_db()
    assert (old.status, old.uses, old.pending_slot) == ("expired", 0, None)
    assert old.ended_at is not None
    assert open_it(new)


def test_one_of_several_uses_comes_back_alone() -> None:
    invitation = make_invitation(email="", max_uses=2)
    register(invitation, "ann", email="ann@example.com")
    register(invitation, "bob", email=ADDRESS, is_active=False).delete()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 1)
    register(invitation, "eve", email="eve@example.com")


def test_a_use_of_a_still_open_one_comes_back() -> None:
    invitation = make_invitation(email="", max_uses=3)
    register(invitation, email=ADDRESS, is_active=False).delete()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)


def test_a_revoked_one_gets_its_use_back_but_stays_revoked() -> None:
    invitation = make_invitation(email="", max_uses=2)
    user = register(invitation, email=ADDRESS, is_active=False)
    inviting.revoke(invitation)
    user.delete()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("revoked", 0)


def test_a_use_is_given_back_once() -> None:
    acceptance = make_acceptance(make_user("bob", is_active=False))
    stale = [acceptance, acceptance]
    for again in stale:
        arriving.release(again.user)
    assert InvitationKey.objects.get().uses == 0
    assert not Acceptance.objects.take_back(acceptance.pk or 0)


def test_who_loses_the_race_to_release_gives_nothing_back(
    newcomer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Acceptance.objects, "take_back", lambda pk: False)
    arriving.release(newcomer)
    assert InvitationKey.objects.get().uses == 1


def test_an_account_without_invitation_is_deleted_like_any_other() -> None:
    make_user(is_active=False).delete()
    assert not get_user_model()._default_manager.exists()


def test_where_the_inviter_does_not_matter_the_invitation_survives_him(
    member: Any, settings: Any
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    invitation = make_invitation(member)
    member.delete()
    invitation.refresh_from_db()
    assert invitation.from_user is None
    assert register(invitation)


def test_there_a_use_comes_back_to_an_invitation_whose_inviter_is_gone(
    member: Any, newcomer: Any, settings: Any
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    member.delete()
    newcomer.delete()
    assert InvitationKey.objects.get().is_usable()


def test_the_time_of_the_claim_is_kept(newcomer: Any) -> None:
    assert timezone.now() - Acceptance.objects.get().claimed_at < timedelta(minutes=1)
