"""Members spend, get, and get back at once: the counter is exact, and the ledger is its sum."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from invitation.flows import inviting, upkeep
from invitation.flows import quota as quota_room
from invitation.flows.quota import ledger_differences, spending
from invitation.models import Acceptance, InvitationKey, InvitationQuota, QuotaEntry
from tests.factories import DAY, make_invitation, make_user
from tests.races.arena import Arena, count
from tests.races.people import claim

pytestmark = pytest.mark.django_db(transaction=True)
PERIOD = timedelta(days=30)


def invite(member: Any, number: int) -> str:
    inviting.invite(member, f"thread{number}@example.org")
    return "created"


def grant(member: Any, number: int) -> str:
    quota_room.grant(member, 1)
    return "granted"


def grant_all(member: Any, number: int) -> str:
    quota_room.grant_all(get_user_model()._default_manager.filter(pk=member.pk), 1)
    return "granted"


def new_member(number: int) -> Any:
    InvitationKey.objects.all().delete()
    QuotaEntry.objects.all().delete()
    InvitationQuota.objects.all().delete()
    return make_user(f"member{number}")


def check_ledger() -> None:
    assert ledger_differences() == []


def test_the_last_of_a_quota_is_spent_and_written_once(arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1

    def after(member: Any, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"created": 1, "no_invitations_left": arena.threads - 1}
        assert QuotaEntry.objects.get().change == -1
        check_ledger()

    arena.race([invite], before=new_member, after=after)


@pytest.mark.parametrize("give", [grant, grant_all], ids=["one", "all"])
def test_what_is_granted_while_it_is_spent_is_neither_lost_nor_spent_twice(
    arena: Arena, settings: Any, give: Any
) -> None:
    settings.INVITATIONS_PER_USER = 0

    def after(member: Any, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        quota = InvitationQuota.objects.get(inviter=member)
        assert (quota.granted, quota.spent) == (counts["granted"], counts["created"])
        assert counts["granted"] == len(outcomes[::2])
        assert counts["created"] + counts["no_invitations_left"] == len(outcomes[1::2])
        assert InvitationKey.objects.filter(from_user=member).count() == quota.spent
        check_ledger()

    arena.race([give, invite], before=new_member, after=after)


def test_a_period_that_is_over_begins_once(arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 3, PERIOD

    def before(number: int) -> Any:
        member = new_member(number)
        over = timezone.now() - PERIOD
        InvitationQuota.objects.create(inviter=member, granted=2, spent=4, period_start=over)
        QuotaEntry.objects.create(inviter=member, change=-2, reason="opening")
        return member

    def after(member: Any, outcomes: list[Any]) -> None:
        # Three of the new period and the one grant that was left.
        assert count(outcomes)["created"] == 4
        assert set(count(outcomes)) <= {"created", "no_invitations_left"}
        quota = InvitationQuota.objects.get(inviter=member)
        assert (quota.granted, quota.spent) == (1, 4)
        assert [entry.change for entry in QuotaEntry.objects.filter(reason="refilled")] == [3]
        check_ledger()

    arena.race([invite], before=before, after=after)


def test_cleanup_gives_back_while_others_spend_and_grant(short_arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = None

    def before(number: int) -> Any:
        member = new_member(number)
        for guest in range(5):
            invitation = make_invitation(
                member, f"late{guest}@example.org", left=-DAY, quota_held=1
            )
            spending.spend(member)
            spending.write_entry(member, -1, spending.Reason.INVITED, invitation)
        return member

    def clean(member: Any, number: int) -> str:
        upkeep.expire()
        return "cleaned"

    def after(member: Any, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        quota = InvitationQuota.objects.get(inviter=member)
        assert (quota.granted, quota.spent) == (counts["granted"], counts["created"])
        assert QuotaEntry.objects.filter(reason="expired").count() == 5
        check_ledger()

    short_arena.race([clean, invite, grant, grant_all], before=before, after=after)


def test_rewards_come_while_the_inviter_spends_extends_and_cleans_up(
    short_arena: Arena, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_REWARD = None, 1

    def before(number: int) -> tuple[Any, list[InvitationKey]]:
        member = new_member(number)
        return member, [make_invitation(member, f"guest{place}@example.org") for place in range(24)]

    def accept(scene: tuple[Any, list[InvitationKey]], number: int) -> str:
        invitation = scene[1][number]
        return claim(invitation, f"guest{invitation.pk}", active=True)

    def spend(scene: tuple[Any, list[InvitationKey]], number: int) -> str:
        return invite(scene[0], number)

    def extend(scene: tuple[Any, list[InvitationKey]], number: int) -> str:
        inviting.extend(scene[1][number])
        return "extended"

    def after(scene: tuple[Any, list[InvitationKey]], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        quota = InvitationQuota.objects.get(inviter=scene[0])
        assert (quota.granted, quota.spent) == (counts["claimed"], counts["created"])
        assert Acceptance.objects.count() >= counts["claimed"] == len(outcomes[::3])
        assert QuotaEntry.objects.filter(reason="reward").count() == counts["claimed"]
        check_ledger()

    actions: list[Callable[[Any, int], Any]] = [accept, spend, extend]
    short_arena.race(actions, before=before, after=after)


def test_many_are_granted_to_while_each_of_them_spends(short_arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = None
    users = get_user_model()._default_manager

    def before(number: int) -> list[Any]:
        new_member(number)
        return [make_user(f"many{number}-{place}") for place in range(6)]

    def grant_to_all(members: list[Any], number: int) -> str:
        quota_room.grant_all(users.filter(pk__in=[member.pk for member in members]), 2)
        return "granted"

    def spend(members: list[Any], number: int) -> str:
        return invite(members[number % 6], number)

    def after(members: list[Any], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        rows = InvitationQuota.objects.filter(inviter__in=members)
        assert {row.granted for row in rows} == {2 * counts["granted"]}
        assert sum(row.spent for row in rows) == counts["created"]
        check_ledger()

    short_arena.race([grant_to_all, spend], before=before, after=after)
