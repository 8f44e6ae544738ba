"""Somebody with an account accepts in many tabs at once, or two people with one link."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from invitation import keys, signals
from invitation.flows import arriving
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import claim, make_account
from tests.scenes import received

pytestmark = pytest.mark.django_db(transaction=True)

GROUP = "Altos"


def every_group(user: Any) -> Any:
    """Be the rule of a site whose members may give every group."""
    return Group.objects.all()


def address(number: int) -> str:
    return f"round{number}@example.org"


@pytest.fixture(autouse=True)
def group(settings: Any) -> Group:
    settings.INVITATION_GRANTABLE_GROUPS = every_group
    return Group.objects.create(name=GROUP)


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def carrying(group: Group, inviter: Any, email: str, **fields: Any) -> InvitationKey:
    invitation = make_invitation(inviter, email, **fields)
    invitation.groups.add(group)
    return invitation


def accept(invitation: InvitationKey, user: Any) -> str:
    """Accept as somebody who opened the invitation while it was still open."""
    row = InvitationKey.objects.get(pk=invitation.pk)
    arriving.accept(arriving.Opened(row, keys.MAIL, row.mail_key), user)
    return "accepted"


def check_accepted_once(invitation: InvitationKey, group: Group, *users: Any) -> None:
    invitation.refresh_from_db()
    assert (invitation.uses, invitation.status) == (1, "accepted")
    acceptance = Acceptance.objects.get(invitation=invitation)
    assert acceptance.user in users
    assert set(group.user_set.filter(pk__in=[user.pk for user in users])) == {acceptance.user}
    books.check_invitations()


def test_a_person_in_many_tabs_accepts_once(arena: Arena, inviter: Any, group: Group) -> None:
    def before(number: int) -> tuple[InvitationKey, Any]:
        invitation = carrying(group, inviter, address(number))
        return invitation, make_account(f"user{number}", invitation.email, active=True)

    def after(stage: tuple[InvitationKey, Any], outcomes: list[Any]) -> None:
        assert count(outcomes) == {"accepted": 1, "already_accepted": arena.threads - 1}
        check_accepted_once(stage[0], group, stage[1])

    with received(signals.invitation_accepted) as announced:
        arena.race([lambda stage, number: accept(*stage)], before=before, after=after)
    assert len(announced) == arena.rounds


def test_of_two_people_with_one_link_one_accepts(
    arena: Arena, inviter: Any, group: Group, settings: Any
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"

    def before(number: int) -> tuple[InvitationKey, list[Any]]:
        users = [make_account(f"{side}{number}", f"{side}{address(number)}") for side in "ab"]
        return carrying(group, inviter, address(number)), users

    def go(stage: tuple[InvitationKey, list[Any]], number: int) -> str:
        return accept(stage[0], stage[1][number % 2])

    def after(stage: tuple[InvitationKey, list[Any]], outcomes: list[Any]) -> None:
        half = arena.threads // 2
        assert count(outcomes) == {
            "accepted": 1,
            "already_accepted": half - 1,
            "no_uses_left_key": half,
        }
        check_accepted_once(stage[0], group, *stage[1])

    arena.race([go], before=before, after=after)


def test_who_accepts_and_who_registers_with_one_link_are_not_both_let_in(
    short_arena: Arena, inviter: Any, group: Group
) -> None:
    def before(number: int) -> tuple[InvitationKey, Any]:
        invitation = carrying(group, inviter, address(number))
        return invitation, make_account(f"user{number}", invitation.email, active=True)

    def register(stage: tuple[InvitationKey, Any], number: int) -> str:
        return claim(stage[0], f"new{number}-{stage[0].pk}")

    def after(stage: tuple[InvitationKey, Any], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts["accepted"] + counts["claimed"] == 1
        assert set(counts) <= {"accepted", "claimed", "already_accepted", "no_uses_left_key"}
        acceptance = Acceptance.objects.get(invitation=stage[0])
        check_accepted_once(stage[0], group, acceptance.user)
        assert acceptance.new_account is bool(counts["claimed"])

    short_arena.race([lambda stage, number: accept(*stage), register], before=before, after=after)


def test_a_shared_link_is_used_once_by_each(short_arena: Arena, inviter: Any, group: Group) -> None:
    people = 4

    def before(number: int) -> tuple[InvitationKey, list[Any]]:
        users = [make_account(f"{side}{number}", "") for side in "abcd"]
        return carrying(group, inviter, "", shared=True, max_uses=people - 1), users

    def go(stage: tuple[InvitationKey, list[Any]], number: int) -> str:
        return accept(stage[0], stage[1][number % people])

    def after(stage: tuple[InvitationKey, list[Any]], outcomes: list[Any]) -> None:
        link, users = stage
        counts = count(outcomes)
        assert counts["accepted"] == min(people - 1, short_arena.threads)
        assert set(counts) <= {"accepted", "already_accepted", "no_uses_left_key"}
        link.refresh_from_db()
        joined = Acceptance.objects.filter(invitation=link).values_list("user", flat=True)
        assert link.uses == len(joined) == len(set(joined)) == counts["accepted"]
        assert group.user_set.filter(pk__in=[user.pk for user in users]).count() == link.uses

    short_arena.race([go], before=before, after=after)
