"""An invitation expires at the end of its last day."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import timezone as zones
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from invitation.delivery import wording
from invitation.flows import inviting
from tests.factories import ADDRESS, make_invitation

pytestmark = pytest.mark.django_db


def at(*parts: int, zone: str = "UTC") -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("zone", "now", "end"),
    [
        ("UTC", (2026, 5, 1, 0, 0), (2026, 5, 8, 23, 59, 59)),
        ("UTC", (2026, 5, 1, 23, 59), (2026, 5, 8, 23, 59, 59)),
        ("Europe/Berlin", (2026, 3, 25, 0, 30), (2026, 4, 1, 23, 59, 59)),  # an hour is left out
        ("Europe/Berlin", (2026, 10, 20, 23, 30), (2026, 10, 27, 23, 59, 59)),  # one comes twice
        ("Pacific/Auckland", (2026, 4, 1, 1, 0), (2026, 4, 8, 23, 59, 59)),
        ("America/Los_Angeles", (2026, 10, 30, 20, 0), (2026, 11, 6, 23, 59, 59)),
        ("Asia/Kathmandu", (2026, 12, 28, 12, 0), (2027, 1, 4, 23, 59, 59)),
    ],
)
def test_it_is_the_end_of_the_day_in_the_zone_of_the_site(
    member: Any, settings: Any, zone: str, now: tuple[int, ...], end: tuple[int, ...]
) -> None:
    settings.TIME_ZONE = zone
    with time_machine.travel(at(*now, zone=zone), tick=False):
        invitation = inviting.invite(member, ADDRESS).invitation
        assert invitation.expires_at == at(*end, zone=zone)
        assert wording.days_left(invitation.expires_at) == 7
        words = wording.moment_in_words(invitation.expires_at)
        assert "midnight" not in words
        assert "11:59 p.m." in words
        late = make_invitation(member, "late@example.org", left=timedelta(hours=1))
        inviting.extend(late)
        assert late.expires_at == invitation.expires_at


def test_it_is_the_zone_of_the_member_where_the_site_activates_it(member: Any) -> None:
    now = at(2026, 5, 1, 20, 0)
    with time_machine.travel(now, tick=False), timezone.override("Asia/Tokyo"):
        invitation = inviting.invite(member, ADDRESS).invitation
    assert invitation.expires_at == at(2026, 5, 9, 23, 59, 59, zone="Asia/Tokyo")


def test_an_end_that_the_clock_shows_twice_is_the_later_one() -> None:
    with timezone.override("America/Havana"):
        end = wording.end_of_day(at(2026, 10, 31, 12, zone="America/Havana"))
    assert end == at(2026, 11, 1, 3, 59, 59)
    with timezone.override("Asia/Beirut"):  # 23:00 to 24:00 comes twice
        end = wording.end_of_day(at(2026, 10, 24, 12, zone="Asia/Beirut"))
    assert end.astimezone(zones.utc).hour == 21


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (timedelta(days=7, hours=12), 7),
        (timedelta(hours=5), 1),
        (timedelta(seconds=1), 1),
        (timedelta(0), 0),
        (timedelta(days=-1), 0),
    ],
)
def test_the_last_day_counts_as_one(left: timedelta, days: int) -> None:
    with time_machine.travel(at(2026, 5, 1, 12), tick=False):
        assert wording.days_left(timezone.now() + left) == days
