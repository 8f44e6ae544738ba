"""Throttling: so many attempts in a window, counted in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from invitation.exceptions import TooManyAttempts
from invitation.flows import quota, upkeep
from invitation.flows.quota import throttling
from invitation.models import ThrottleCounter

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return what the clock says, to be changed."""
    now = [timezone.now()]
    monkeypatch.setattr(throttling.timezone, "now", lambda: now[0])
    return now


def limit(times: int = 2, scope: str = "join:192.0.2.1") -> quota.Limit:
    return quota.Limit(scope, times, MINUTE)


def stopped(*limits: quota.Limit) -> bool:
    try:
        throttling.attempt(limits)
    except TooManyAttempts:
        return True
    return False


@pytest.mark.anywhere
def test_so_many_and_no_more() -> None:
    assert [stopped(limit()) for _ in range(4)] == [False, False, True, True]
    assert ThrottleCounter.objects.get().count == 2


def test_a_limit_of_none_stops_all_and_says_for_how_long() -> None:
    with pytest.raises(TooManyAttempts) as error:
        throttling.attempt([limit(0)])
    assert error.value.seconds == 60


def test_a_window_later_it_begins_again(clock: list[datetime]) -> None:
    assert [stopped(limit()) for _ in range(3)] == [False, False, True]
    clock[0] += MINUTE - timedelta(seconds=1)
    assert stopped(limit())
    clock[0] += timedelta(seconds=1)
    assert [stopped(limit()) for _ in range(3)] == [False, False, True]


def test_each_scope_has_its_own() -> None:
    assert [stopped(limit(1, scope)) for scope in ("a", "b", "a")] == [False, False, True]


def test_who_is_stopped_takes_nothing_from_the_others() -> None:
    both = limit(1, "one"), limit(9, "all")
    assert [stopped(*both) for _ in range(5)] == [False, True, True, True, True]
    assert ThrottleCounter.objects.get(scope=both[1].hashed_scope).count == 1


def test_what_is_taken_back_was_no_attempt() -> None:
    assert not stopped(limit(1))
    throttling.take_back([limit(1)])
    assert not stopped(limit(1))
    assert stopped(limit(1))


def test_no_count_falls_below_zero() -> None:
    throttling.take_back([limit()])
    assert not stopped(limit())
    for _ in range(3):
        throttling.take_back([limit()])
    assert ThrottleCounter.objects.get().count == 0


def test_the_table_names_nobody(settings: Any) -> None:
    throttling.attempt([limit()])
    [scope] = ThrottleCounter.objects.values_list("scope", flat=True)
    assert len(scope) == 32
    assert "192" not in str(ThrottleCounter.objects.get())
    settings.INVITATION_SIGNING_KEYS = ["another key of at least thirty-two characters"]
    assert limit().hashed_scope != scope


@pytest.mark.anywhere
def test_cleanup_forgets_what_limits_nothing_any_more(clock: list[datetime]) -> None:
    now = clock[0]
    for number, age in enumerate((timedelta(), timedelta(hours=23), timedelta(days=1))):
        ThrottleCounter.objects.create(scope=bytes([number]), window_start=now - age, count=1)
    assert upkeep.forget_attempts(now) == 1
    assert set(ThrottleCounter.objects.values_list("scope", flat=True)) == {b"\0", b"\1"}


def test_it_forgets_so_many_at_a_time() -> None:
    long_ago = timezone.now() - timedelta(days=9)
    rows = [ThrottleCounter(scope=bytes([number]), window_start=long_ago) for number in range(5)]
    ThrottleCounter.objects.bulk_create(rows)
    now = timezone.now()
    assert ThrottleCounter.objects.forget(now, 3, now) == 3
    assert upkeep.forget_attempts() == 2


def test_whose_turn_it_is_leaves_a_new_value_that_other_nodes_and_snapshots_meet() -> None:
    """A lock alone does not reach another node of a cluster, nor end an older snapshot."""
    values = []
    for _turn in range(2):
        with transaction.atomic():
            quota.await_turn("something")
        values.append(ThrottleCounter.objects.get().window_start)
    assert values[0] < values[1]
