"""Many processes empty one outbox: none of its emails is lost, and none goes twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from invitation.models import InvitationEmail, InvitationKey, managers
from tests.factories import make_user
from tests.faults.conftest import Processes
from tests.faults.server import Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)


def fill_outbox(number: int) -> None:
    """Queue so many emails, each of an invitation of its own."""
    inviter, now = make_user("inviter"), timezone.now()
    ends = now + timedelta(days=1)
    managers.insert(
        [
            InvitationKey(
                from_user=inviter,
                email=f"guest{guest}@example.org",
                email_key=f"guest{guest}@example.org",
                expires_at=ends,
            )
            for guest in range(number)
        ]
    )
    pks = InvitationKey.objects.values_list("pk", flat=True)
    managers.insert(
        [
            InvitationEmail(
                invitation_id=pk, not_before=now, created_at=now, message_id=f"<{pk}@example.com>"
            )
            for pk in pks
        ]
    )


#: A busy machine may take its time for each email.
PATIENT = {"FAULTS_DELIVERY": "invitation.delivery.outbox.OutboxDelivery"}
SIZES = [400, pytest.param(10_000, marks=pytest.mark.stress)]


@pytest.mark.parametrize("number", SIZES)
def test_of_many_mails_none_is_lost_and_none_goes_twice(
    processes: Callable[[Server], Processes], number: int
) -> None:
    fill_outbox(number)
    senders = 2 if connection.vendor == "sqlite" else 8
    with Server() as server:
        said = processes(server).run(f"--workers={senders}", patience=1800, **PATIENT)
    assert len(server.taken) == len(set(server.recipients)) == number
    assert len({taken.message_id for taken in server.taken}) == number
    rows = InvitationEmail.objects.values_list("state", "attempts", "lease_until")
    assert Counter(rows) == {("sent", 1, None): number}
    counts = [line.partition(",")[0].removeprefix("Sent: ") for line in said.splitlines()]
    assert sum(map(int, counts)) == number
    # All had their share.
    assert len(counts) == senders
    assert min(map(int, counts)) > 0 or number < 1000


def test_one_poisoned_mail_in_five_hundred_holds_up_nobody(
    processes: Callable[[Server], Processes],
) -> None:
    fill_outbox(500)
    # No header takes a line's end: whoever writes this email fails.
    poisoned = InvitationEmail.objects.order_by("pk")[7]
    InvitationEmail.objects.filter(pk=poisoned.pk).update(message_id="<x>\nBcc: eve@example.com")
    with Server() as server:
        said = processes(server).run(**PATIENT)
    assert "\nSent: 499, not sent: 1. Waiting: 1, next try: " in said
    assert len(set(server.recipients)) == len(server.taken) == 499
    left = InvitationEmail.objects.exclude(state="sent").get()
    assert (left.pk, left.state, left.attempts) == (poisoned.pk, "queued", 1)
    assert "BadHeaderError" in left.last_error or "newlines" in left.last_error
    # One connection for all of them, and it was not broken by it.
    assert len(server.talks) == 1


def test_one_recipient_whose_server_is_full_holds_up_nobody(
    processes: Callable[[Server], Processes],
) -> None:
    def script(said: str, rest: str, talk: Talk) -> str | None:
        return "452 full" if said == "RCPT" and "guest7@" in rest else None

    fill_outbox(60)
    with Server(script) as server:
        assert "\nSent: 59, not sent: 1. Waiting: 1, " in processes(server).run(**PATIENT)
    assert InvitationEmail.objects.get(state="queued").last_error == "452 full"
