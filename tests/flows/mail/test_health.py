"""How the outbox is, for monitoring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.flows import inviting
from invitation.flows.mail import OutboxHealth, cancel, deliver_due, outbox_health
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import ADDRESS, DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
State = InvitationEmail.State


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def write(state: str, **fields: Any) -> InvitationEmail:
    """Return an email of one of a few invitations."""
    return make_mail(make_invitation(email=""), state=state, **fields)


def test_an_empty_outbox_is_well() -> None:
    assert outbox_health() == OutboxHealth(0, 0, 0, 0, 0, None, None, None, "")


def test_it_counts_what_waits_what_is_held_and_what_was_left_behind(now: datetime) -> None:
    write(State.QUEUED, not_before=now - MINUTE)
    write(State.QUEUED, not_before=now)
    write(State.QUEUED, not_before=now + MINUTE)
    write(State.SENDING, lease_until=now + MINUTE, attempts=1)
    write(State.SENDING, lease_until=now, attempts=1)
    for settled in (State.SENT, State.SUPPRESSED, State.CANCELLED):
        write(settled, not_before=now)
    health = outbox_health(now)
    assert (health.queued, health.due, health.sending, health.stuck) == (3, 2, 2, 1)


@pytest.mark.parametrize(("age", "counted"), [(23, 1), (24, 0)])
def test_it_counts_what_failed_within_a_day(now: datetime, age: int, counted: int) -> None:
    write(State.FAILED, not_before=now - timedelta(hours=age))
    assert outbox_health(now).failed == counted


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING])
def test_a_mail_that_was_tried_waits_since_it_was_asked_for(now: datetime, state: str) -> None:
    later = now + MINUTE
    write(state, created_at=now - 3 * MINUTE, not_before=later, lease_until=later, attempts=2)
    write(state, created_at=now - MINUTE, not_before=later, lease_until=later, attempts=1)
    assert outbox_health(now).oldest_unsent_age == 3 * MINUTE


def test_a_mail_that_was_never_tried_waits_since_it_may_leave(now: datetime) -> None:
    write(State.QUEUED, created_at=now - 9 * MINUTE, not_before=now - 2 * MINUTE)
    assert outbox_health(now).oldest_unsent_age == 2 * MINUTE


@pytest.mark.parametrize("state", [State.SENT, State.FAILED, State.SUPPRESSED, State.CANCELLED])
def test_what_has_come_to_an_end_does_not_wait(now: datetime, state: str) -> None:
    write(state, created_at=now - MINUTE, attempts=1)
    assert outbox_health(now).oldest_unsent_age is None


def test_what_is_queued_for_later_does_not_wait_yet(now: datetime) -> None:
    write(State.QUEUED, created_at=now - MINUTE, not_before=now + MINUTE)
    assert outbox_health(now).oldest_unsent_age is None


def test_a_mail_is_overdue_from_when_it_may_be_tried(now: datetime) -> None:
    for minutes in (2, 3, 1):
        write(
            State.QUEUED, created_at=now - DAY, attempts=minutes, not_before=now - minutes * MINUTE
        )
    assert outbox_health(now).overdue == 3 * MINUTE


def test_one_that_was_left_behind_is_overdue_from_then_on(now: datetime) -> None:
    write(State.QUEUED, not_before=now - MINUTE)
    write(State.SENDING, attempts=1, not_before=now - DAY, lease_until=now - 2 * MINUTE)
    assert outbox_health(now).overdue == 2 * MINUTE


def test_what_waits_for_its_next_try_or_is_in_hand_is_not_overdue(now: datetime) -> None:
    """A mail server that says "later" for a day is no reason to wake anybody."""
    write(State.QUEUED, created_at=now - DAY, attempts=9, not_before=now + MINUTE)
    write(State.SENDING, attempts=1, not_before=now - DAY, lease_until=now + MINUTE)
    write(State.SENT, attempts=1, not_before=now - DAY)
    health = outbox_health(now)
    assert (health.overdue, health.oldest_unsent_age) == (None, DAY)


def test_what_is_due_grows_overdue_while_all_is_paused(now: datetime) -> None:
    DeliveryPause.objects.create(until=now + MINUTE, since=now, failures=1, reason="535 no")
    write(State.QUEUED, not_before=now - MINUTE)
    deliver_due()
    assert outbox_health(now + MINUTE).overdue == 2 * MINUTE


def test_it_tells_of_a_pause_until_a_mail_has_left(now: datetime) -> None:
    until = now + MINUTE
    DeliveryPause.objects.create(until=until, since=now, failures=1, reason="535 no")
    write(State.QUEUED)
    for moment in (now, until):
        health = outbox_health(moment)
        assert (health.paused_until, health.paused_reason) == (until, "535 no")
    DeliveryPause.objects.update(failures=0)
    assert outbox_health(now).paused_until is None


def test_it_costs_three_statements_whatever_is_there() -> None:
    for _number in range(20):
        write(State.QUEUED)
        write(State.SENT)
    with CaptureQueriesContext(connection) as queries:
        outbox_health()
    assert len(queries) == 3


def test_it_looks_at_no_mail_that_was_sent() -> None:
    """Ask SQLite how it would look: by the index of states, in both statements about emails."""
    if connection.vendor != "sqlite":
        pytest.skip("The other databases plan by how many rows there are.")
    with CaptureQueriesContext(connection) as queries:
        outbox_health()
    plans = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries[:2]:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans.append(" ".join(str(row[3]) for row in cursor.fetchall()))
    unsent, lately = plans
    assert "USING INDEX invitation_mail_unsent (state=?" in unsent
    assert "INDEX invitation_mail_due (state=?" in lately
    assert "SCAN" not in unsent + lately


# The log


Records = Callable[[], list[logging.LogRecord]]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Records:
    """Return what gives the records so far."""
    caplog.set_level(logging.INFO, "invitation.mail")
    return lambda: [record for record in caplog.records if record.name == "invitation.mail"]


def test_a_mail_that_was_sent_leaves_a_record_for_machines(records: Records, commit: Any) -> None:
    with commit():
        inviting.invite(make_user(), ADDRESS)
    [record] = records()
    mail = InvitationEmail.objects.get()
    told: Any = vars(record)
    assert record.levelname == "INFO"
    assert record.getMessage() == f"Invitation email {mail.pk}: sent"
    assert (told["mail_id"], told["kind"], told["state"]) == (mail.pk, "invitation", "sent")
    assert (told["failure"], told["attempts"]) == ("", 1)
    assert 0 <= told["duration"] < 60


def test_one_that_failed_is_a_warning_and_says_why(records: Records, commit: Any) -> None:
    invitation = make_invitation(make_user(), status="revoked")
    make_mail(invitation)
    with commit():
        deliver_due()
    [record] = records()
    told: Any = vars(record)
    assert record.levelname == "WARNING"
    assert record.getMessage().endswith(": failed (pointless)")
    assert told["failure"] == "pointless"


def test_no_record_names_anybody(records: Records, commit: Any) -> None:
    with commit():
        inviting.invite(make_user(), ADDRESS, recipient_name="Bob Canary", note="Psst")
    said = repr([vars(record) for record in records()])
    for secret in (ADDRESS, "Canary", "Psst", "ann"):
        assert secret not in said


def test_nothing_is_recorded_that_was_rolled_back(records: Records) -> None:
    mail = make_mail()
    with transaction.atomic():
        cancel([mail])
        transaction.set_rollback(True)
    assert records() == []
