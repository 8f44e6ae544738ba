"""Accounts come, are activated and go while their invitations are in use."""

from __future__ import annotations

from typing import Any

import pytest

from invitation import flows, signals
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, claim, fresh, make_held
from tests.scenes import received

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def test_an_account_is_activated_once(arena: Arena, inviter: Any) -> None:
    def before(number: int) -> Any:
        invitation = make_held(inviter, f"round{number}@example.org")
        claim(invitation, f"user-{invitation.pk}")
        User.objects.filter(email=invitation.email).update(is_active=True)
        return User.objects.get(email=invitation.email)

    with received(signals.invitation_activated) as activated:
        arena.race(
            [lambda user, _: flows.activate(user)],
            before=before,
            after=lambda user, _: books.check(),
        )
    assert len(activated) == arena.rounds


def test_an_account_is_activated_or_gives_its_invitation_back(arena: Arena, inviter: Any) -> None:
    def before(number: int) -> InvitationKey:
        invitation = make_held(inviter, f"round{number}@example.org")
        claim(invitation, f"user-{invitation.pk}")
        return invitation

    def account(invitation: InvitationKey) -> Any:
        return User(pk=User.objects.get(email=invitation.email).pk)

    def activate(invitation: InvitationKey, number: int) -> str:
        user = accounts[invitation.pk]
        flows.activate(User(pk=user, is_active=True))
        return "done"

    def release(invitation: InvitationKey, number: int) -> str:
        user = accounts[invitation.pk]
        flows.release(User(pk=user, is_active=False))
        return "done"

    accounts: dict[int, int] = {}

    def remembered(number: int) -> InvitationKey:
        invitation = before(number)
        accounts[invitation.pk] = account(invitation).pk
        return invitation

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        invitation.refresh_from_db()
        acceptance = Acceptance.objects.filter(invitation=invitation).first()
        if acceptance is None:
            assert (invitation.uses, invitation.status) == (0, "pending")
        else:
            assert acceptance.activated_at is not None
            assert (invitation.uses, invitation.status) == (1, "accepted")
        books.check()

    arena.race([activate, release], before=remembered, after=after)
