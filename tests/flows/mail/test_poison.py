"""One email that cannot leave holds up nobody else's, whatever it does, and for however long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.db import DatabaseError
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows.mail import deliver_due
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail

pytestmark = pytest.mark.django_db
NOW = timezone.now()
State = InvitationEmail.State

#: What happens when the email is sent.
POISONS = [
    DeliveryUnavailable("no"),
    DeliveryFailed("no"),
    DeliveryFailed("no", permanent=True),
    ValueError("a template raises"),
    DatabaseError("a template asks for what is not there"),
    KeyboardInterrupt(),
]


class Died(BaseException):
    """Stand for a process that is killed: nothing is noted, and nothing is given back."""


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def mail_to(name: str, **values: Any) -> InvitationEmail:
    invitation = make_invitation(email=f"{name}@example.org")
    return make_mail(invitation, message_id=f"<{name}@example.com>", **values)


@pytest.fixture
def tried(request: Any, clock: Any) -> Iterator[list[str]]:
    """Let the email to ``bad`` raise; return to whom emails were tried."""
    send, tried = DummyDelivery.send, []

    def sending(self: DummyDelivery, mail: InvitationEmail) -> None:
        name = mail.invitation.email.partition("@")[0]
        tried.append(name)
        if name == "bad":
            raise request.param
        send(self, mail)

    DummyDelivery.outbox.clear()
    with patch.object(DummyDelivery, "send", sending):
        yield tried
    DummyDelivery.outbox.clear()


def run() -> None:
    """Start a sender, which may end with an error."""
    with suppress(DatabaseError, KeyboardInterrupt, Died):
        deliver_due()


def states(name: str) -> list[str]:
    rows = InvitationEmail.objects.filter(invitation__email__startswith=name)
    return list(rows.values_list("state", flat=True))


@pytest.mark.parametrize("tried", [*POISONS, Died()], indirect=True, ids=repr)
@pytest.mark.parametrize("place", [0, 4, 9])
def test_nine_others_leave(tried: list[str], clock: Any, place: int) -> None:
    for number in range(10):
        mail_to("bad" if number == place else f"other{number}")
    run()
    for _ in range(2):  # as cron does; a lease has run out by then, and a pause as well
        clock.shift(timedelta(minutes=6))
        run()
    assert states("other") == [State.SENT] * 9


@pytest.mark.parametrize("tried", [*POISONS, Died()], indirect=True, ids=repr)
def test_those_that_come_later_leave_and_it_comes_to_an_end(tried: list[str], clock: Any) -> None:
    bad = mail_to("bad")
    InvitationKey.objects.update(expires_at=None)
    for number in range(40):
        mail_to(f"other{number}", not_before=timezone.now())
        run()
        clock.shift(timedelta(hours=3))
        bad.refresh_from_db()
        if bad.state == State.FAILED:
            break
    assert bad.failure in ("given_up", "refused", "broken")
    # Ten tries, and one in which its sender died while nobody suspected it.
    assert tried.count("bad") <= 11
    run()
    assert states("other") == [State.SENT] * (number + 1)


@pytest.mark.parametrize("tried", [DeliveryUnavailable("no")], indirect=True, ids=repr)
def test_one_that_comes_during_a_pause_is_tried_before_the_one_that_caused_it(
    tried: list[str], clock: Any
) -> None:
    mail_to("bad")
    run()
    mail_to("other", not_before=timezone.now())
    clock.shift(timedelta(minutes=1))
    run()
    assert tried[:2] == ["bad", "other"]
    assert states("other") == [State.SENT]


@pytest.mark.parametrize("tried", [DeliveryUnavailable("no")], indirect=True, ids=repr)
def test_one_alone_waits_out_any_outage(tried: list[str], clock: Any) -> None:
    """What is not shown to be its fault costs it no attempt."""
    bad = mail_to("bad")
    for _ in range(40):
        run()
        clock.shift(timedelta(minutes=31))
    bad.refresh_from_db()
    assert (bad.state, bad.attempts) == (State.QUEUED, 1)
    assert len(tried) == 40


@pytest.mark.parametrize("tried", [DeliveryUnavailable("no")], indirect=True, ids=repr)
def test_each_time_that_it_closes_an_open_way_it_waits_longer(tried: list[str], clock: Any) -> None:
    bad = mail_to("bad")
    for expected in (0, 4, 8, 16):
        DeliveryPause.objects.update(failures=0)
        run()
        bad.refresh_from_db()
        assert bad.not_before >= timezone.now() + timedelta(minutes=expected)
        clock.move_to(bad.not_before)


@pytest.mark.parametrize("tried", [KeyboardInterrupt()], indirect=True, ids=repr)
def test_what_ends_a_run_leaves_the_others_of_its_batch_to_the_next(
    tried: list[str], clock: Any
) -> None:
    mail_to("bad")
    mail_to("other")
    run()
    assert (states("bad"), states("other")) == ([State.SENDING], [State.QUEUED])
    run()
    assert states("other") == [State.SENT]


def test_what_is_given_back_after_an_error_needs_no_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*args: Any) -> None:
        raise DatabaseError("gone")

    mail_to("bad")
    mail_to("other")
    monkeypatch.setattr(DummyDelivery, "send", lambda *args: (_ for _ in ()).throw(KeyError))
    monkeypatch.setattr(InvitationEmail.objects, "release", gone)
    deliver_due()
    assert states("other") == [State.QUEUED]
