"""A quota that comes again, limits by group, and what is given back into which period."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import transaction

from invitation.exceptions import QuotaExceeded
from invitation.flows import inviting, upkeep
from invitation.flows.quota import (
    QuotaState,
    correct_quota,
    grant,
    ledger_differences,
    quota_of,
    remaining_invitations,
    reward,
    spending,
)
from invitation.models import InvitationKey, InvitationQuota, QuotaEntry
from tests.factories import DAY, make_invitation, make_user
from tests.scenes import COMPLETE, INVITE

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
PERIOD = timedelta(days=30)


@pytest.fixture(autouse=True)
def clock(settings: Any, member: Any) -> Any:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 3, PERIOD
    settings.ACCOUNT_INVITATION_DAYS = 40
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
        assert ledger_differences() == []


def invite(member: Any, *names: str) -> None:
    for name in names:
        inviting.invite(member, f"{name}@example.org")


def row(member: Any) -> tuple[int, int, datetime | None]:
    quota = InvitationQuota.objects.get(inviter=member)
    return quota.granted, quota.spent, quota.period_start


def left(member: Any) -> int | None:
    return remaining_invitations(member)


# -- the period --


def test_a_period_begins_with_the_first_spending(member: Any, clock: Any) -> None:
    clock.shift(DAY)
    assert quota_of(member) == QuotaState(3, None)
    invite(member, "ann")
    assert row(member) == (0, 1, NOON + DAY)
    assert quota_of(member) == QuotaState(2, NOON + DAY + PERIOD)


def test_when_it_is_over_what_was_spent_is_there_again(member: Any, clock: Any) -> None:
    invite(member, "ann", "bob", "eve")
    with pytest.raises(QuotaExceeded):
        invite(member, "kim")
    clock.move_to(NOON + PERIOD - timedelta(seconds=1))
    assert left(member) == 0
    clock.move_to(NOON + PERIOD)
    assert quota_of(member) == QuotaState(3, None)
    clock.shift(5 * DAY)
    invite(member, "kim")
    assert row(member) == (0, 1, NOON + PERIOD + 5 * DAY)
    refilled = QuotaEntry.objects.get(reason="refilled")
    assert (refilled.change, refilled.invitation) == (3, None)


def test_a_refused_spending_begins_no_period(member: Any, clock: Any) -> None:
    invite(member, "ann")
    clock.shift(PERIOD)
    with pytest.raises(QuotaExceeded), transaction.atomic():
        spending.spend(member, 4)
    assert row(member) == (0, 1, NOON)


def test_what_was_never_used_does_not_pile_up(member: Any, clock: Any) -> None:
    invite(member, "ann")
    for _time in range(3):
        clock.shift(PERIOD)
        invite(member, f"guest{_time}")
        assert left(member) == 2


def test_used_grants_do_not_come_again(member: Any, clock: Any) -> None:
    grant(member, 2)
    invite(member, "ann", "bob", "eve", "kim")
    assert left(member) == 1
    clock.shift(PERIOD)
    assert left(member) == 4
    invite(member, "lou")
    assert row(member) == (1, 1, NOON + PERIOD)


def test_a_grant_in_the_meantime_begins_no_period(member: Any, clock: Any) -> None:
    invite(member, "ann", "bob")
    clock.shift(PERIOD)
    grant(member, 1)
    assert row(member) == (1, 0, None)
    clock.shift(DAY)
    invite(member, "eve")
    assert row(member)[2] == NOON + PERIOD + DAY


def test_a_lowered_limit_does_not_swallow_a_later_grant(
    member: Any, clock: Any, settings: Any
) -> None:
    invite(member, "ann", "bob", "eve")
    settings.INVITATIONS_PER_USER = 1
    assert left(member) == 0
    clock.shift(PERIOD)
    grant(member, 2)
    assert left(member) == 3


def test_a_period_that_is_set_later_forgives_what_was_spent_before(
    member: Any, settings: Any
) -> None:
    settings.INVITATION_QUOTA_PERIOD = None
    invite(member, "ann", "bob", "eve")
    assert left(member) == 0
    settings.INVITATION_QUOTA_PERIOD = PERIOD
    assert left(member) == 3


def test_without_a_period_what_is_spent_stays_spent(member: Any, settings: Any, clock: Any) -> None:
    settings.INVITATION_QUOTA_PERIOD = None
    invite(member, "ann", "bob", "eve")
    clock.shift(1000 * DAY)
    assert quota_of(member) == QuotaState(0, None)


@pytest.mark.parametrize("how", ["site", "member"])
def test_who_has_no_limit_has_periods_too_and_uses_no_grants(
    member: Any, settings: Any, clock: Any, how: str
) -> None:
    grant(member, 2)
    if how == "site":
        settings.INVITATIONS_PER_USER = None
    else:
        correct_quota(member, 2, unlimited=True)
    invite(member, *(f"guest{number}" for number in range(9)))
    assert quota_of(member) == QuotaState(None, None)
    clock.shift(PERIOD)
    invite(member, "ann")
    assert row(member) == (2, 1, NOON + PERIOD)


# -- what is given back --


def test_what_was_spent_in_this_period_comes_back_into_it(
    member: Any, clock: Any, settings: Any
) -> None:
    settings.ACCOUNT_INVITATION_DAYS = 7
    invite(member, "ann", "bob")
    clock.shift(8 * DAY)
    upkeep.expire()
    assert (row(member), left(member)) == ((0, 0, NOON), 3)


def test_what_was_spent_in_an_earlier_one_does_not(member: Any, clock: Any) -> None:
    invite(member, "ann", "bob", "eve")
    clock.shift(PERIOD)
    invite(member, "kim", "lou")
    clock.shift(11 * DAY)
    assert upkeep.expire() == 3
    assert (row(member)[1], left(member)) == (2, 1)
    assert not QuotaEntry.objects.filter(reason="expired").exists()


def test_nor_does_it_after_the_period_that_nothing_was_spent_in(member: Any, clock: Any) -> None:
    invite(member, "ann")
    clock.shift(41 * DAY)
    grant(member, 1)
    upkeep.expire()
    assert (row(member), left(member)) == ((1, 0, None), 4)


def test_what_is_opened_again_in_this_period_and_expires_comes_back(
    member: Any, clock: Any, settings: Any
) -> None:
    settings.ACCOUNT_INVITATION_DAYS, settings.INVITATION_RETENTION_DAYS = 7, 365
    invite(member, "ann")
    clock.shift(8 * DAY)
    upkeep.expire()
    clock.shift(PERIOD)
    inviting.extend(InvitationKey.objects.get())
    assert left(member) == 2
    clock.shift(8 * DAY)
    upkeep.expire()
    assert left(member) == 3
    changes = QuotaEntry.objects.order_by("pk").values_list("reason", "change")
    assert list(changes) == [("invited", -1), ("expired", 1), ("reopened", -1), ("expired", 1)]


@pytest.mark.parametrize(("made", "back"), [(NOON - DAY, 0), (NOON + DAY, 1)])
def test_where_the_ledger_knows_nothing_the_date_of_the_invitation_decides(
    member: Any, clock: Any, made: datetime, back: int
) -> None:
    InvitationQuota.objects.create(inviter=member, spent=1, period_start=NOON)
    QuotaEntry.objects.create(inviter=member, change=-1, reason="opening")
    clock.move_to(NOON + 2 * DAY)
    make_invitation(member, left=-DAY, quota_held=1, date_invited=made)
    upkeep.expire()
    assert row(member)[1] == 1 - back


# -- limits by group --


def groups_of(user: Any, *names: str) -> None:
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in names])


@pytest.mark.parametrize(
    ("names", "limit"),
    [
        ((), 1),
        (("others",), 1),
        (("helpers",), 5),
        (("helpers", "friends"), 5),
        (("none",), 0),
        (("helpers", "vip"), None),
    ],
)
def test_the_most_that_a_group_allows_holds(
    member: Any, settings: Any, names: tuple[str, ...], limit: int | None
) -> None:
    rule = {"helpers": 5, "friends": 3, "none": 0, "vip": None, None: 1}
    settings.INVITATIONS_PER_USER = rule
    if not hasattr(member, "groups"):
        assert left(member) == 1
        return
    groups_of(member, *names)
    assert left(member) == limit


def test_without_anybody_else_in_it_a_mapping_gives_them_nothing(
    member: Any, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = {"helpers": 5}
    with pytest.raises(QuotaExceeded):
        invite(member, "ann")
    assert not InvitationQuota.objects.exists()


# -- pages --


def test_the_pages_say_when_it_comes_again(member: Any, member_client: Any, settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    pages = (INVITE, COMPLETE, "/accounts/invitations/")
    for address in pages:
        assert member_client.get(address).context["quota_refills_at"] is None
    invite(member, "ann")
    for address in pages:
        response = member_client.get(address)
        assert response.context["quota_refills_at"] == NOON + PERIOD
        assert "You get new ones on April 28, 2026." in response.content.decode()


def test_who_has_none_left_is_told_too(member: Any, member_client: Any, settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    invite(member, "ann", "bob", "eve")
    for address in (INVITE, COMPLETE, "/accounts/invitations/"):
        assert "You get new ones on April 28, 2026." in member_client.get(address).content.decode()


def test_a_view_may_say_something_else(member: Any, member_client: Any, rf: Any) -> None:
    from invitation.views import InviteView

    request = rf.get(INVITE)
    request.user = member
    view = InviteView()
    view.setup(request)
    assert view.get_context_data(remaining_invitations=7)["remaining_invitations"] == 7


def test_a_reward_is_a_grant_of_this_period(member: Any, settings: Any, clock: Any) -> None:
    settings.INVITATION_REWARD = 2
    invitation = make_invitation(member)
    acceptance = invitation.acceptances.create(user=make_user("bob"))
    reward(invitation, acceptance)
    assert left(member) == 5
