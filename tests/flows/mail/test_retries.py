"""What staff do with emails: queue them again, stop them, open the way out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import NotPending
from invitation.flows import inviting
from invitation.flows.mail import (
    cancel,
    deliver_due,
    delivery_pause,
    is_delayed,
    queueing,
    reopen,
    retries,
    retry,
    send_together,
)
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import DAY, make_invitation, make_mail
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db(transaction=True)

State = InvitationEmail.State


class Later(DummyDelivery):
    """Send nothing at once, and keep what it is told of."""

    immediate = False
    told: list[list[int]] = []

    def hand_over(self, pks: Any, not_before: Any = None) -> None:
        self.told.append(list(pks))


@pytest.fixture
def later(settings: Any) -> list[list[int]]:
    """Let somebody else send, and return what they are told of."""
    settings.INVITATION_DELIVERY = "tests.flows.mail.test_retries.Later"
    Later.told.clear()
    return Later.told


def write(state: str, **fields: Any) -> InvitationEmail:
    return make_mail(make_invitation(email=f"{state}@example.org"), state=state, **fields)


def stored(mail: InvitationEmail) -> InvitationEmail:
    return InvitationEmail.objects.get(pk=mail.pk)


# Retry


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_mail_that_came_to_nothing_is_queued_as_if_it_were_new(later: Any, state: str) -> None:
    mail = write(state, attempts=10, failure="given_up", not_before=timezone.now() - DAY)
    assert retry([mail]) == [mail]
    now = stored(mail)
    assert (now.state, now.attempts, now.failure, now.lease_until) == ("queued", 0, "", None)
    assert timezone.now() - now.not_before < timedelta(minutes=1)
    assert now.header_id == mail.header_id


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.SENT, State.SUPPRESSED])
def test_any_other_mail_is_left_alone(later: Any, state: str) -> None:
    mail = write(state, lease_until=timezone.now() + InvitationEmail.objects.LEASE)
    assert retry([mail]) == []
    assert (stored(mail).state, later) == (state, [])


def test_a_few_are_sent_at_once_where_mails_are(outbox: list[Any]) -> None:
    mail = write(State.FAILED)
    retry([mail])
    assert outbox == [mail]
    assert stored(mail).state == "sent"


def test_many_wait_for_whoever_sends(monkeypatch: Any, outbox: list[Any]) -> None:
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 1)
    mails = [make_mail(make_invitation(email=""), state=State.FAILED) for _number in range(2)]
    assert len(retry(mails)) == 2
    assert outbox == []
    assert {stored(mail).state for mail in mails} == {"queued"}


def test_whoever_sends_is_told_of_all(monkeypatch: Any, later: list[list[int]]) -> None:
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 1)
    mails = [make_mail(make_invitation(email=""), state=State.FAILED) for _number in range(2)]
    retry(mails)
    assert later == [[mail.pk for mail in mails]]


def test_what_is_unwanted_by_now_does_not_leave(outbox: list[Any]) -> None:
    mail = make_mail(make_invitation(status="revoked"), state=State.FAILED)
    retry([mail])
    assert outbox == []
    assert (stored(mail).state, stored(mail).failure) == ("failed", "pointless")


def test_a_few_of_many_batches_take_the_time_of_one_request(
    monkeypatch: Any, outbox: list[Any]
) -> None:
    monkeypatch.setattr(retries, "BATCH_SIZE", 1)
    runs = spy_on_runs(monkeypatch)
    mails = [make_mail(make_invitation(email=""), state=State.FAILED) for _number in range(2)]
    assert retry(mails) == mails
    assert runs == [([mail.pk for mail in mails], 15)]


# Resend


def spy_on_runs(monkeypatch: Any) -> list[tuple[list[int], float]]:
    """Return which rows are sent together, and in how many seconds."""
    runs: list[tuple[list[int], float]] = []

    def deliver_rows(pks: list[int], seconds: float) -> None:
        runs.append((list(pks), seconds))

    monkeypatch.setattr(queueing, "deliver_rows", deliver_rows)
    return runs


def resend(number: int) -> list[InvitationEmail]:
    """Send the emails of so many invitations again, of which one waits, and return the emails."""
    rows = [make_invitation(email=f"p{at}@example.org") for at in range(number)]
    make_mail(rows[0], state=State.QUEUED, attempts=3, not_before=timezone.now() + DAY)
    with send_together() as written:
        for row in rows:
            inviting.resend(row, written=written)
    mails = InvitationEmail.objects.filter(invitation__in=rows).order_by("invitation_id")
    assert len(mails) == number
    return list(mails)


def test_what_is_sent_again_together_takes_the_time_of_one_request(
    monkeypatch: Any, outbox: list[Any]
) -> None:
    runs = spy_on_runs(monkeypatch)
    mails = resend(3)
    assert {stored(mail).state for mail in mails} == {"queued"}
    assert runs == [([mail.pk for mail in mails], 15)]


def test_what_is_sent_again_together_leaves_at_once(outbox: list[Any]) -> None:
    mails = resend(3)
    assert sorted(mail.pk for mail in outbox) == sorted(mail.pk for mail in mails)
    assert {stored(mail).state for mail in mails} == {"sent"}


def test_of_many_that_are_sent_again_together_all_wait(monkeypatch: Any, outbox: list[Any]) -> None:
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 2)
    mails = resend(3)
    assert outbox == []
    assert {(mail.state, mail.attempts) for mail in mails} == {("queued", 0)}


def test_whoever_sends_is_told_once_of_what_is_sent_again_together(
    monkeypatch: Any, later: list[list[int]]
) -> None:
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 2)
    mails = resend(3)
    assert later == [[mail.pk for mail in mails]]


def test_nothing_is_handed_over_where_nothing_was_asked_for(later: list[list[int]]) -> None:
    with send_together():
        pass
    assert later == []


def test_what_was_asked_for_before_an_error_goes_all_the_same(outbox: list[Any]) -> None:
    rows = [make_invitation(), make_invitation(email="")]

    def resend_all() -> None:
        with send_together() as written:
            for row in rows:
                inviting.resend(row, written=written)

    with pytest.raises(NotPending):
        resend_all()
    assert [mail.invitation for mail in outbox] == rows[:1]


# Cancel


def test_a_mail_that_waits_is_stopped_and_never_sent(heard: Heard, outbox: list[Any]) -> None:
    mail = write(State.QUEUED, attempts=3)
    assert cancel([mail]) == [mail]
    assert deliver_due() == (0, 0)
    assert (stored(mail).state, outbox) == ("cancelled", [])
    assert heard.names() == ["mail_settled"]
    told = heard.last("mail_settled")
    assert (told["mail"], told["state"], told["failure"]) == (mail, "cancelled", "")


@pytest.mark.parametrize(
    "state", [State.SENDING, State.SENT, State.FAILED, State.SUPPRESSED, State.CANCELLED]
)
def test_what_does_not_wait_is_not_stopped(heard: Heard, state: str) -> None:
    mail = write(state, lease_until=timezone.now() + InvitationEmail.objects.LEASE)
    assert cancel([mail]) == []
    assert (stored(mail).state, heard) == (state, [])


def test_what_is_leased_in_the_meantime_is_not_stopped() -> None:
    mail = write(State.QUEUED)
    leased = InvitationEmail.objects.lease(mail.pk, timezone.now())
    assert cancel([mail]) == []
    assert leased is not None
    assert InvitationEmail.objects.mark_sent([leased], timezone.now())


def test_batches_cost_the_same_for_each_mail_more(monkeypatch: Any, later: Any) -> None:
    monkeypatch.setattr(retries, "BATCH_SIZE", 10)
    costs = []
    for many in (10, 30):
        mails = [make_mail(make_invitation(email="")) for _number in range(many)]
        with CaptureQueriesContext(connection) as queries:
            assert len(cancel(mails)) == many
        costs.append(len(queries))
    assert costs[1] == 3 * costs[0] <= 3 * 7


# The way out


def test_there_is_no_pause_where_none_was_or_it_is_over() -> None:
    assert delivery_pause() is None
    now = timezone.now()
    DeliveryPause.objects.create(until=now + DAY, since=now - DAY)
    assert delivery_pause() is None
    assert not reopen()


def test_a_pause_is_ended_by_hand() -> None:
    now = timezone.now()
    pause = DeliveryPause.objects.create(until=now + DAY, since=now, failures=3)
    assert delivery_pause() == pause
    assert reopen()
    assert not reopen()
    # It is for the next sender to say whether emails can leave again.
    pause.refresh_from_db()
    assert pause.until <= timezone.now()
    assert delivery_pause() == pause


# What is late


@pytest.mark.parametrize(
    ("state", "attempts", "minutes", "delayed"),
    [
        (State.QUEUED, 0, 0, False),
        (State.QUEUED, 0, 20, True),
        (State.QUEUED, 1, 0, True),
        (State.SENDING, 1, 20, False),
        (State.SENT, 1, 20, False),
        (State.FAILED, 1, 0, True),
    ],
)
def test_a_mail_that_somebody_else_sends_is_late_after_a_while(
    later: Any, state: str, attempts: int, minutes: int, delayed: bool
) -> None:
    made = timezone.now() - timedelta(minutes=minutes)
    assert is_delayed(write(state, attempts=attempts, created_at=made)) is delayed


def test_one_that_should_have_been_sent_at_once_is_late_at_once() -> None:
    assert is_delayed(write(State.QUEUED))
