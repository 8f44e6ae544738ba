"""Accounts come, are activated and go while their invitations are in use."""

from __future__ import annotations

from typing import Any

import pytest

from invitation import signals
from invitation.flows import arriving
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, claim, delete_account, make_held
from tests.scenes import received

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def make_registered(inviter: Any, number: int) -> InvitationKey:
    """Return an invitation with which somebody has registered who is not active yet."""
    invitation = make_held(inviter, f"round{number}@example.org")
    claim(invitation, f"first-{invitation.pk}")
    return invitation


def registrant(invitation: InvitationKey, *, active: bool = False) -> Any:
    """Return the account as somebody holds it who read it before anything happened."""
    user = Acceptance.objects.select_related("user").get(invitation=invitation).user
    assert user is not None
    user.is_active = active
    return user


def test_an_account_is_activated_once(short_arena: Arena, inviter: Any) -> None:
    with received(signals.invitation_activated) as activated:
        short_arena.race(
            [lambda user, _: arriving.activate(user)],
            before=lambda n: registrant(make_registered(inviter, n), active=True),
            after=lambda user, _: books.check(),
        )
    assert len(activated) == short_arena.rounds


def test_an_account_is_activated_or_gives_its_use_back(arena: Arena, inviter: Any) -> None:
    def before(number: int) -> tuple[InvitationKey, Any, Any]:
        invitation = make_registered(inviter, number)
        return invitation, registrant(invitation), registrant(invitation, active=True)

    def after(stage: tuple[InvitationKey, Any, Any], outcomes: list[Any]) -> None:
        invitation = InvitationKey.objects.get(pk=stage[0].pk)
        acceptance = Acceptance.objects.filter(invitation=invitation).first()
        if acceptance is None:
            assert (invitation.uses, invitation.status) == (0, "pending")
        else:
            assert acceptance.activated_at is not None
            assert (invitation.uses, invitation.status) == (1, "accepted")
        books.check()

    arena.race(
        [lambda stage, _: arriving.release(stage[1]), lambda stage, _: arriving.activate(stage[2])],
        before=before,
        after=after,
    )


def test_an_account_that_is_deleted_while_others_claim_its_invitation(
    arena: Arena, inviter: Any
) -> None:
    def before(number: int) -> tuple[InvitationKey, Any]:
        invitation = make_registered(inviter, number)
        return invitation, registrant(invitation).pk

    def delete(stage: tuple[InvitationKey, int], number: int) -> str:
        return delete_account(stage[1])

    def claim_again(stage: tuple[InvitationKey, int], number: int) -> str:
        return claim(stage[0], f"user{number}-{stage[0].pk}")

    def after(stage: tuple[InvitationKey, int], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts["claimed"] in (0, 1)
        assert set(counts) <= {"deleted", "claimed", "no_uses_left_key"}
        invitation = InvitationKey.objects.get(pk=stage[0].pk)
        accounts = User.objects.filter(email=invitation.email)
        assert accounts.count() == invitation.uses == counts["claimed"]
        books.check()

    arena.race([delete, claim_again], before=before, after=after)


def test_an_inviter_who_is_deleted_takes_no_account_with_him(short_arena: Arena) -> None:
    def before(number: int) -> InvitationKey:
        return make_held(make_user(f"inviter{number}"), f"round{number}@example.org")

    def delete(invitation: InvitationKey, number: int) -> str:
        return delete_account(invitation.from_user_id)

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        # Either somebody was faster than the deletion, or it has taken the invitation along.
        assert counts["claimed"] <= 1
        assert set(counts) <= {"deleted", "claimed", "no_uses_left_key", "revoked_key"}
        assert not User.objects.filter(pk=invitation.from_user_id).exists()
        came = Acceptance.objects.filter(invitation=invitation, user__isnull=False)
        assert came.count() == Acceptance.objects.filter(invitation=invitation).count()
        assert came.count() == counts["claimed"]
        books.check_invitations()

    short_arena.race(
        [delete, lambda invitation, n: claim(invitation, f"user{n}-{invitation.pk}")],
        before=before,
        after=after,
    )
