"""A email that does not leave takes the member's time, as one that does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from invitation.delivery.dummy import DummyDelivery
from invitation.flows import inviting
from invitation.flows.mail import deliver_due, suppress, timing
from invitation.models import SuppressedAddress
from tests.factories import ADDRESS, make_invitation, make_mail

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """Be a clock on which nothing takes time but what says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waited: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    clock = Clock()
    timing._LATEST.clear()
    with (
        patch("invitation.flows.mail.sending.time.monotonic", clock.monotonic),
        patch("invitation.flows.mail.timing.time.sleep", clock.sleep),
    ):
        yield clock
    timing._LATEST.clear()


@pytest.fixture(params=[0.3, 60.0])
def slow(request: Any, clock: Clock) -> Iterator[float]:
    """Let each email take so many seconds."""

    def send(self: DummyDelivery, mail: Any) -> None:
        clock.now += request.param

    with patch.object(DummyDelivery, "send", send):
        yield request.param


def test_it_takes_as_long_as_the_others(member: Any, clock: Clock, slow: float) -> None:
    suppress(ADDRESS)
    took = []
    for email in ("carol@example.org", ADDRESS, "dan@example.org", ADDRESS.replace("b", "B")):
        begun = clock.now
        inviting.invite(member, email)
        took.append(clock.now - begun)
    assert took[0] == took[2] == pytest.approx(slow)
    # A mail server that hangs is no reason to hang.
    assert took[1] == pytest.approx(min(slow, timing.LONGEST))


def test_before_the_first_mail_has_left_it_takes_a_moment(member: Any, clock: Clock) -> None:
    suppress(ADDRESS)
    inviting.invite(member, ADDRESS)
    assert clock.waited == [timing.USUAL]


def test_what_the_inviter_sees_anyway_takes_no_time(member: Any, clock: Clock) -> None:
    suppress(ADDRESS, SuppressedAddress.Reason.BOUNCED)
    inviting.invite(member, ADDRESS)
    assert clock.waited == []


def test_in_the_background_nobody_waits_for_what_is_not_known(member: Any, clock: Clock) -> None:
    suppress(ADDRESS)
    make_mail()
    deliver_due()
    assert clock.waited == []


def test_only_the_latest_mails_count() -> None:
    for _ in range(50):
        timing.remember(9.0)
    for _ in range(50):
        timing.remember(0.1)
    assert set(timing._LATEST[True]) == {0.1}


def test_time_that_is_spent_already_is_not_waited_for(clock: Clock) -> None:
    timing.remember(0.5)
    timing.wait(0.2)
    timing.wait(0.9)
    assert clock.waited == [pytest.approx(0.3)]


def test_one_that_follows_others_that_stay_takes_as_long_as_they(clock: Clock) -> None:
    timing.remember(0.5)
    timing.wait(0.2, left=False)
    timing.remember(0.04, left=False)
    timing.wait(left=False)
    assert clock.waited == [0.04]


def test_in_the_background_it_takes_as_long_as_the_latest_others(
    member: Any, clock: Clock, slow: float
) -> None:
    """Else a page that is looked at again and again would show it sent before the others."""
    suppress(ADDRESS)
    make_mail(make_invitation(email="carol@example.org"))
    deliver_due()
    make_mail()
    deliver_due()
    assert clock.waited == [pytest.approx(min(slow, timing.LONGEST))]
