"""The quota: counted exactly, never by counting rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone

from invitation.exceptions import QuotaExceeded
from invitation.flows import inviting, quota
from invitation.flows.quota import spending
from invitation.models import InvitationKey, InvitationQuota
from invitation.models.managers import Held
from tests.factories import DAY, make_user, spent

pytestmark = pytest.mark.django_db


def three_for(user: Any) -> int | None:
    """Stand in for a site's own rule: three each, none for Eve, no limit for Adam."""
    return {"eve": 0, "adam": None}.get(user.get_username(), 3)


def invite_many(member: Any, number: int, start: int = 0) -> None:
    for index in range(start, start + number):
        inviting.invite(member, f"guest{index}@example.org")


def test_the_default_is_ten(member: Any) -> None:
    assert quota.remaining_invitations(member) == 10
    invite_many(member, 10)
    assert quota.remaining_invitations(member) == 0
    with pytest.raises(QuotaExceeded) as refused:
        inviting.invite(member, "eleventh@example.org")
    assert refused.value.code == "no_invitations_left"
    assert (InvitationKey.objects.count(), spent(member)) == (10, 10)


def test_nobody_has_another_ones_quota(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    invite_many(member, 1)
    assert quota.remaining_invitations(make_user("ann")) == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_exactly_the_limit_can_be_spent(member: Any, settings: Any, limit: int) -> None:
    settings.INVITATIONS_PER_USER = limit
    invite_many(member, limit)
    with pytest.raises(QuotaExceeded):
        inviting.invite(member, "more@example.org")
    assert spent(member) == limit


def test_none_is_no_limit_but_is_counted(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = None
    invite_many(member, 12)
    assert quota.remaining_invitations(member) is None
    assert spent(member) == 12


@pytest.mark.parametrize("rule", [three_for, "tests.flows.quota.test_spending.three_for"])
def test_a_callable_or_its_path_decides_for_each_member(settings: Any, rule: Any) -> None:
    settings.INVITATIONS_PER_USER = rule
    people = [make_user(name) for name in ("ann", "eve", "adam")]
    assert [quota.remaining_invitations(user) for user in people] == [3, 0, None]
    with pytest.raises(QuotaExceeded):
        inviting.invite(people[1], "guest@example.org")


def test_a_grant_comes_on_top(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    InvitationQuota.objects.create(inviter=member, granted=2)
    assert quota.remaining_invitations(member) == 3
    invite_many(member, 3)
    with pytest.raises(QuotaExceeded):
        inviting.invite(member, "more@example.org")


def test_a_grant_works_where_the_site_gives_none(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    InvitationQuota.objects.create(inviter=member, granted=1)
    invite_many(member, 1)
    assert quota.remaining_invitations(member) == 0


def test_an_unlimited_member_goes_beyond_the_limit(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    InvitationQuota.objects.create(inviter=member, unlimited=True, spent=5)
    assert quota.remaining_invitations(member) is None
    invite_many(member, 2)
    assert spent(member) == 7


def test_a_lowered_limit_leaves_nothing_and_owes_nothing(member: Any, settings: Any) -> None:
    invite_many(member, 3)
    settings.INVITATIONS_PER_USER = 2
    assert quota.remaining_invitations(member) == 0


def test_a_stranger_has_none() -> None:
    assert quota.remaining_invitations(AnonymousUser()) == 0


def test_asking_costs_one_query_and_writes_no_row(
    member: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        quota.remaining_invitations(member)
    assert not InvitationQuota.objects.exists()


# -- the manager --


def test_several_are_spent_together_or_not_at_all(member: Any) -> None:
    spend = InvitationQuota.objects.spend
    InvitationQuota.objects.hold(member)
    assert spend(member, 5, 3)
    assert not spend(member, 5, 3)
    assert spend(member, 5, 2)
    assert spent(member) == 5


def test_more_than_the_limit_cannot_be_spent_at_once(member: Any) -> None:
    InvitationQuota.objects.hold(member)
    assert not InvitationQuota.objects.spend(member, 2, 3)
    assert spent(member) == 0


@pytest.mark.anywhere
@pytest.mark.parametrize("period", [None, DAY])
def test_who_has_spent_before_spends_with_one_statement(
    member: Any, settings: Any, django_assert_num_queries: Any, period: Any
) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 3, period
    quota.spend(member)
    with django_assert_num_queries(1):
        quota.spend(member)
    assert spent(member) == 2


def test_a_member_who_can_never_have_so_many_gets_no_row_that_others_wait_for(
    member: Any, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.INVITATIONS_PER_USER = 3
    with django_assert_num_queries(2), pytest.raises(QuotaExceeded):
        quota.spend(member, 4)
    assert not InvitationQuota.objects.exists()


def test_spending_costs_one_query_and_so_does_the_lock_before_it(
    member: Any, django_assert_num_queries: Any
) -> None:
    for _time in range(2):
        with django_assert_num_queries(1):
            InvitationQuota.objects.hold(member)
        with django_assert_num_queries(1):
            assert InvitationQuota.objects.spend(member, 5)
    assert spent(member) == 2


def test_a_refund_is_exact_for_each_member(django_assert_num_queries: Any) -> None:
    people = [make_user(name) for name in ("ann", "eve", "adam")]
    for user in people:
        InvitationQuota.objects.create(inviter=user, spent=5)
    amounts = {people[0].pk: 2, people[1].pk: 5}
    held = [Held(number, *one, timezone.now()) for number, one in enumerate(amounts.items())]
    # One locks and reads, two where the database cannot do both; one writes.
    locks = 1 if connection.features.has_select_for_update else 2
    with django_assert_num_queries(locks + 1):
        assert InvitationQuota.objects.refund(held) == held
    assert [spent(user) for user in people] == [3, 0, 5]


def test_a_refund_never_goes_below_zero(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member, spent=1)
    held = Held(1, member.pk, 2, timezone.now())
    assert [one.amount for one in InvitationQuota.objects.refund([held, held])] == [1]
    assert spent(member) == 0


def test_a_refund_of_nothing_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        spending.give_back([], spending.Reason.EXPIRED)


def test_the_quota_goes_with_its_member(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member)
    member.delete()
    assert not InvitationQuota.objects.exists()
