"""Quotas of many members at once: what one statement does to all is what is done to one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.flows import inviting
from invitation.flows.quota import (
    GRANT_MAX,
    correct_ledger,
    correct_quota,
    grant,
    grant_all,
    granting,
    ledger_differences,
    quota_lines,
    quota_of,
    remaining_invitations,
    set_unlimited,
    spending,
    top_up,
)
from invitation.models import InvitationQuota, QuotaEntry
from tests import scenes
from tests.factories import DAY, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

PERIOD = timedelta(days=30)
LIMITS = {"vip": None, "helpers": 7, "friends": 3, None: 2}


def everybody() -> Any:
    return get_user_model()._default_manager.all()


def quota(user: Any) -> tuple[int, int]:
    """Return what was granted to a member, and what they have spent."""
    row = InvitationQuota.objects.of(user)
    return row.granted, row.spent


def left(user: Any) -> int | None:
    return remaining_invitations(user)


def seven_or_none(user: Any) -> int | None:
    """Stand in for a site's own rule."""
    return {"ann": 7, "bob": None}.get(user.email.partition("@")[0], -1)


@pytest.fixture(autouse=True)
def _ledger() -> Iterator[None]:
    """See after each test that every counter is the sum of its entries."""
    yield
    assert ledger_differences() == []


@pytest.fixture
def people(db: None) -> list[Any]:
    return [make_user(name) for name in ("ann", "bob", "eve")]


def spend(user: Any, amount: int) -> None:
    spending.spend(user, amount)
    spending.write_entry(user, -amount, spending.Reason.INVITED)


def count_queries(users: int, do: Any) -> int:
    """Return how many queries it takes for so many members, some of whom have rows."""
    model = get_user_model()
    model._default_manager.all().delete()
    for number in range(users):
        user = make_user(f"user{number}")
        if number % 2:
            grant(user, 1)
    with CaptureQueriesContext(connection) as queries:
        do()
    return len(queries)


# -- grant_all --


def test_all_get_what_is_granted_with_a_row_or_without(people: list[Any]) -> None:
    grant(people[0], 2)
    assert grant_all(everybody(), 5) == 3
    assert [quota(user) for user in people] == [(7, 0), (5, 0), (5, 0)]
    last = QuotaEntry.objects.order_by("-pk")[:3]
    assert {(entry.change, entry.reason) for entry in last} == {(5, "granted")}


def test_nobody_else_gets_anything(people: list[Any]) -> None:
    assert grant_all(everybody().filter(pk=people[1].pk), 5) == 1
    assert [quota(user)[0] for user in people] == [0, 5, 0]
    assert InvitationQuota.objects.count() == 1


def test_a_grant_to_nobody_is_none(people: list[Any]) -> None:
    assert grant_all(everybody().none(), 5) == 0
    assert not InvitationQuota.objects.exists()


@pytest.mark.parametrize("amount", [0, -1, GRANT_MAX + 1])
def test_what_cannot_be_granted_is_refused(people: list[Any], amount: int) -> None:
    for verb in (grant_all, top_up):
        with pytest.raises(ValueError, match="from 1 to"):
            verb(everybody(), amount)
    with pytest.raises(ValueError, match="from 1 to"):
        grant(people[0], amount)


@pytest.mark.parametrize("rule", [5, LIMITS], ids=["number", "mapping"])
@pytest.mark.parametrize("period", [None, PERIOD], ids=["once", "refilled"])
@pytest.mark.parametrize(
    "do",
    [
        lambda: grant_all(everybody(), 5),
        lambda: top_up(everybody(), 50),
        lambda: set_unlimited(everybody()),
        lambda: set_unlimited(everybody(), unlimited=False),
        lambda: list(quota_lines(everybody())),
        lambda: ledger_differences(),
    ],
    ids=["add", "topup", "unlimited", "limited", "show", "verify"],
)
def test_the_number_of_queries_does_not_depend_on_the_number_of_members(
    settings: Any, do: Any, rule: Any, period: Any
) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = rule, period
    few, many = count_queries(2, do), count_queries(60, do)
    assert few == many <= 10


# -- top_up --


def test_who_has_less_is_topped_up_and_who_has_more_is_not(
    people: list[Any], settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 5
    spend(people[0], 4)
    grant(people[1], 4)
    assert top_up(everybody(), 6) == 2
    assert [left(user) for user in people] == [6, 9, 6]
    assert top_up(everybody(), 6) == 0


def test_an_overdraft_does_not_swallow_a_top_up(people: list[Any], settings: Any) -> None:
    spend(people[0], 10)
    settings.INVITATIONS_PER_USER = 2
    top_up(everybody(), 3)
    assert left(people[0]) == 3


def test_who_has_no_limit_is_not_topped_up(people: list[Any], settings: Any) -> None:
    set_unlimited(everybody().filter(pk=people[0].pk))
    assert top_up(everybody(), 50) == 2
    settings.INVITATIONS_PER_USER = None
    assert top_up(everybody(), 500) == 0


def test_a_rule_in_python_is_asked_for_each(
    people: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(granting, "BATCH_SIZE", 2)
    settings.INVITATIONS_PER_USER = "tests.flows.quota.test_granting.seven_or_none"
    assert top_up(everybody(), 9) == 2
    assert [quota(user)[0] for user in people] == [2, 0, 9]


def test_the_limits_of_groups_hold_in_sql_as_they_do_in_python(
    people: list[Any], settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = LIMITS
    if hasattr(people[0], "groups"):
        groups = {name: Group.objects.create(name=name) for name in ("vip", "helpers", "friends")}
        people[0].groups.add(groups["friends"], groups["helpers"])
        people[1].groups.add(groups["friends"], groups["vip"])
    lines = {line.user: line for line in quota_lines(everybody())}
    assert {user: line.remaining for user, line in lines.items()} == {
        user: left(user) for user in people
    }
    before = [left(user) for user in people]
    top_up(everybody(), 5)
    wanted = [None if number is None else max(5, number) for number in before]
    assert [left(user) for user in people] == wanted


def test_a_mapping_without_anybody_else_allows_them_nothing(
    people: list[Any], settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = {"vip": 3}
    assert left(people[0]) == 0
    top_up(everybody(), 2)
    assert left(people[0]) == 2


def test_a_mapping_that_knows_no_limit_is_none(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER = {None: None, "vip": None}
    assert left(people[0]) is None
    assert top_up(everybody(), 2) == 0


# -- periods --


@pytest.mark.parametrize("rule", [3, {None: 3}, lambda user: 3], ids=["int", "map", "callable"])
@pytest.mark.parametrize("spent_before", [0, 2, 3, 5])
def test_a_grant_to_all_ends_a_period_that_is_over_as_a_grant_to_one_does(
    people: list[Any], settings: Any, rule: Any, spent_before: int
) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = rule, PERIOD
    for user in people:
        grant(user, 4)
        if spent_before:
            spend(user, spent_before)
    with time_machine.travel(timezone.now() + PERIOD, tick=False):
        grant_all(everybody().filter(pk__in=[user.pk for user in people[:2]]), 2)
        grant(people[2], 2)
        used = max(0, spent_before - 3)
        assert [quota(user) for user in people] == [(6 - used, 0)] * 3
        assert {row.period_start for row in InvitationQuota.objects.all()} == {None}
        assert [left(user) for user in people] == [9 - used] * 3


def test_what_is_not_over_goes_on(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 3, PERIOD
    spend(people[0], 2)
    grant_all(everybody(), 2)
    assert (quota(people[0]), left(people[0])) == ((2, 2), 3)


def test_who_has_no_limit_uses_no_grants_in_a_period(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 1, PERIOD
    grant_all(everybody(), 2)
    set_unlimited(everybody().filter(pk=people[0].pk))
    spend(people[0], 9)
    with time_machine.travel(timezone.now() + PERIOD, tick=False):
        grant_all(everybody(), 1)
        assert quota(people[0]) == (3, 0)
    settings.INVITATIONS_PER_USER = None
    spend(people[1], 9)
    with time_machine.travel(timezone.now() + PERIOD, tick=False):
        grant_all(everybody(), 1)
        assert quota(people[1]) == (4, 0)


# -- set_unlimited --


def test_a_limit_is_lifted_and_holds_again(people: list[Any]) -> None:
    set_unlimited(everybody().filter(pk=people[0].pk))
    assert set_unlimited(everybody()) == 2
    assert [left(user) for user in people] == [None] * 3
    assert set_unlimited(everybody(), unlimited=False) == 3
    assert set_unlimited(everybody(), unlimited=False) == 0
    assert not QuotaEntry.objects.exists()


def test_letting_the_limit_hold_makes_no_rows(people: list[Any]) -> None:
    set_unlimited(everybody(), unlimited=False)
    assert not InvitationQuota.objects.exists()


# -- quota_lines --


def test_a_line_says_what_the_pages_say(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 3, PERIOD
    spend(people[0], 2)
    set_unlimited(everybody().filter(pk=people[1].pk))
    lines = list(quota_lines(everybody().order_by("pk")))
    assert [(line.user, line.limit, line.remaining) for line in lines] == [
        (people[0], 3, 1),
        (people[1], None, None),
        (people[2], 3, 3),
    ]
    assert lines[0].refills_at == quota_of(people[0]).refills_at is not None


# -- the ledger --


def test_a_counter_that_its_ledger_does_not_explain_is_found_and_explained(
    people: list[Any],
) -> None:
    grant(people[0], 1)
    InvitationQuota.objects.filter(inviter=people[0]).update(spent=4)
    InvitationQuota.objects.create(inviter=people[1], granted=2)
    QuotaEntry.objects.create(inviter=people[2], change=5, reason="granted")
    found = [(one.inviter, one.counter, one.ledger) for one in ledger_differences()]
    assert found == [(people[0].pk, -3, 1), (people[1].pk, 2, 0), (people[2].pk, 0, 5)]
    assert len(correct_ledger()) == 3
    assert ledger_differences() == correct_ledger() == []
    corrected = QuotaEntry.objects.filter(reason="corrected").order_by("inviter")
    assert [entry.change for entry in corrected] == [-4, 2, -5]
    assert quota(people[0]) == (1, 4)


def test_it_is_corrected_in_batches(people: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granting, "BATCH_SIZE", 2)
    for user in people:
        InvitationQuota.objects.create(inviter=user, granted=1)
    assert len(correct_ledger()) == 3


def test_a_difference_names_its_member(people: list[Any]) -> None:
    InvitationQuota.objects.create(inviter=people[0], granted=1)
    [one] = correct_ledger()
    assert one.name == people[0].get_username()


def test_time_is_not_what_tells_entries_apart(people: list[Any]) -> None:
    with time_machine.travel(timezone.now() + DAY, tick=False):
        grant(people[0], 1)
        grant_all(everybody(), 2)
        grant_all(everybody(), 3)
    assert [quota(user)[0] for user in people] == [6, 5, 5]


def test_the_way_of_mysql_makes_and_returns_the_same_rows(
    people: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    grant(people[0], 1)
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    hold_all = InvitationQuota.objects.hold_all
    rows = list(hold_all(everybody(), create=False))
    assert [row.inviter for row in rows] == people[:1]
    rows = list(hold_all(everybody()).order_by("inviter"))
    assert [(row.inviter, row.granted) for row in rows] == list(zip(people, (1, 0, 0), strict=True))


def test_where_nobody_has_groups_what_is_for_everybody_else_holds(
    people: list[Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATIONS_PER_USER = LIMITS
    for kind in get_user_model().__mro__:
        if "groups" in vars(kind):
            monkeypatch.delattr(kind, "groups")
    assert {line.remaining for line in quota_lines(everybody())} == {2}
    assert left(people[0]) == 2
    with pytest.raises(CommandError, match="has no groups"):
        call_command("invitationquota", "show", "--group", "vip")


def test_what_was_granted_can_be_left_alone(people: list[Any]) -> None:
    grant(people[0], 3)
    correct_quota(people[0], None, unlimited=True)
    assert (quota(people[0]), left(people[0])) == ((3, 0), None)
    correct_quota(people[0], 1, unlimited=False)
    assert quota(people[0]) == (1, 0)
    assert QuotaEntry.objects.latest("pk").reason == "corrected"


@pytest.mark.parametrize(
    "change",
    [
        lambda user: grant(user, 3),
        lambda user: correct_quota(user, 3, unlimited=False),
        inviting.create_without_address,
    ],
    ids=["grant", "correct", "spend"],
)
def test_without_its_entry_no_counter_changes(
    people: list[Any], monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    monkeypatch.setattr(spending, "write_entry", lambda *entry: 1 / 0)
    monkeypatch.setattr("invitation.flows.quota.write_entry", lambda *entry: 1 / 0)
    before = scenes.dump()
    with pytest.raises(ZeroDivisionError):
        change(people[0])
    assert scenes.dump() == before


def test_without_their_counters_no_entries_stay(
    people: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InvitationQuota.objects, "add", lambda *changes: 1 / 0)
    before = scenes.dump()
    with pytest.raises(ZeroDivisionError):
        grant_all(everybody(), 3)
    assert scenes.dump() == before
