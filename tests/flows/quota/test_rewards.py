"""The reward: so many invitations for each account that came, once, and off by default."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from invitation.flows import arriving, inviting, quota, upkeep
from invitation.models import Acceptance, InvitationKey, InvitationQuota, QuotaEntry
from tests.factories import ADDRESS, make_invitation, make_user, open_it, register

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]


def granted(user: Any) -> int:
    return InvitationQuota.objects.of(user).granted


def test_without_the_setting_there_is_none(member: Any, commit: Any) -> None:
    with commit():
        register(make_invitation(member))
    assert not QuotaEntry.objects.exists()


def test_an_inviter_gets_it_for_each_account(member: Any, settings: Any, commit: Any) -> None:
    settings.INVITATION_REWARD = 2
    invitations = [make_invitation(member, f"{name}@example.org") for name in ("bob", "eve")]
    for invitation, name in zip(invitations, ("bob", "eve"), strict=True):
        with commit():
            register(invitation, name)
    assert granted(member) == 4
    entries = QuotaEntry.objects.order_by("pk")
    assert [(entry.change, entry.reason, entry.invitation) for entry in entries] == [
        (2, "reward", invitation) for invitation in invitations
    ]


def test_it_waits_for_the_activation_and_comes_once(
    member: Any, settings: Any, commit: Any
) -> None:
    settings.INVITATION_REWARD = 1
    with commit():
        newcomer = register(make_invitation(member), is_active=False)
    assert granted(member) == 0
    newcomer.is_active = True
    for _time in range(2):
        with commit():
            arriving.activate(newcomer)
    assert granted(member) == 1


def test_of_two_activations_at_once_one_earns_it(
    member: Any, settings: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_REWARD = 1
    newcomer = register(make_invitation(member), is_active=False)
    manager = type(Acceptance.objects)
    activate = manager.activate

    def activate_second(self: Any, pk: int, now: Any) -> bool:
        assert activate(self, pk, now)
        return activate(self, pk, now)

    monkeypatch.setattr(manager, "activate", activate_second)
    newcomer.is_active = True
    with commit():
        arriving.activate(newcomer)
    assert granted(member) == 0  # The first has got it.


def test_it_does_not_pay_for_the_invitation(member: Any, settings: Any, commit: Any) -> None:
    settings.INVITATION_REWARD = 1
    invitation = inviting.invite(member, ADDRESS, mail=False).invitation
    InvitationKey.objects.update(max_uses=2)
    with commit():
        register(InvitationKey.objects.get())
    assert granted(member) == 1
    InvitationKey.objects.update(expires_at=timezone.now())
    upkeep.expire()
    inviting.extend(invitation)
    assert InvitationQuota.objects.of(member).spent == 1  # as nothing was given back


def test_a_shared_link_earns_it_for_each_newcomer(member: Any, settings: Any, commit: Any) -> None:
    settings.INVITATION_REWARD = 1
    invitation = make_invitation(member, "", max_uses=3)
    for name in ("ann", "bob"):
        with commit():
            register(InvitationKey.objects.get(), name, email=f"{name}@example.org")
    assert granted(member) == 2
    assert QuotaEntry.objects.filter(invitation=invitation).count() == 2


def test_who_had_an_account_before_earns_nobody_anything(member: Any, settings: Any) -> None:
    settings.INVITATION_REWARD = 1
    invitation = make_invitation(member)
    acceptance = Acceptance(invitation=invitation, user=make_user("bob"), new_account=False)
    quota.reward(invitation, acceptance)
    assert granted(member) == 0


def test_an_invitation_without_inviter_earns_nobody_anything(
    settings: Any, commit: Any, member: Any
) -> None:
    settings.INVITATION_REWARD = 1
    with commit():
        register(make_invitation(None))
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    invitation = make_invitation(member)
    opened = open_it(invitation)
    with commit():
        arriving.claim(opened, lambda: make_user("new"), email=invitation.email)
        member.delete()
    assert not QuotaEntry.objects.exists()


def test_a_failure_does_not_undo_the_registration(
    member: Any, settings: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_REWARD = 1
    monkeypatch.setattr(InvitationQuota.objects, "hold", lambda user: 1 / 0)
    with commit():
        assert register(make_invitation(member))
    assert Acceptance.objects.exists()
    assert not QuotaEntry.objects.exists()
