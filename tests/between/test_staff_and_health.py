"""What staff do with emails, and what monitoring then says of the outbox."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from invitation.delivery.base import BaseDelivery
from invitation.flows import upkeep
from invitation.flows.mail import cancel, deliver_due, outbox_health, retry
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

#: How old an unsent email may be before monitoring raises the alarm.
ALARM = timedelta(minutes=15)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
State = InvitationEmail.State


class Punctual(BaseDelivery):
    """Remember until when each email had to be sent."""

    deadlines: ClassVar[list[float]] = []

    def send(self, mail: InvitationEmail) -> None:
        self.deadlines.append(self.deadline)


def test_mails_that_are_retried_in_a_request_have_to_be_sent_within_its_time(
    settings: Any, commit: Any
) -> None:
    """Who has clicked "send again" waits for all of them: 15 seconds at most."""
    settings.INVITATION_DELIVERY = f"{__name__}.Punctual"
    Punctual.deadlines.clear()
    mails = [
        make_mail(make_invitation(make_user(f"u{at}"), f"p{at}@example.org"), state=State.FAILED)
        for at in range(3)
    ]
    with commit():
        retry(mails)
    assert len(Punctual.deadlines) == 3
    assert max(Punctual.deadlines) <= time.monotonic() + 15


def test_a_mail_that_was_just_queued_again_is_not_as_old_as_its_row() -> None:
    mail = make_mail(state=State.FAILED, created_at=timezone.now() - 30 * DAY)
    retry([mail])
    assert InvitationEmail.objects.lease(mail.pk, timezone.now()) is not None
    age = outbox_health().oldest_unsent_age
    assert age is not None
    assert age < ALARM


def test_news_that_had_to_wait_for_the_mail_before_are_not_as_old_as_what_they_tell(
    settings: Any,
) -> None:
    """They bear the time of the first that expired, and leave a day after the email before."""
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    settings.INVITATION_NOTIFY_INVITER = ("expired",)
    settings.INVITATION_RETENTION_DAYS = 30
    ann, now = make_user("ann"), timezone.now()
    expired, kind = InvitationKey.Status.EXPIRED, InvitationEmail.Kind.EXPIRED
    first = make_invitation(ann, "a@example.org", status=expired, ended_at=now - 23 * HOUR)
    make_mail(
        first,
        kind=kind,
        state=State.SENT,
        created_at=now - DAY + MINUTE,
        sent_at=now - DAY + 30 * MINUTE,
    )
    make_invitation(ann, "b@example.org", status=expired, ended_at=now - 22 * HOUR)
    upkeep.expire()
    mail = InvitationEmail.objects.get(kind=kind, state=State.QUEUED)
    assert mail.not_before > now
    # The minute has passed, and a sender has taken it.
    InvitationEmail.objects.filter(pk=mail.pk).update(not_before=timezone.now())
    InvitationEmail.objects.lease(mail.pk, timezone.now())
    age = outbox_health().oldest_unsent_age
    assert age is not None
    assert age < ALARM


def test_a_pause_that_is_over_is_not_reported_where_no_mail_waits() -> None:
    """No email is left that could find out whether the way is open, so it would never end."""
    now = timezone.now()
    mail = make_mail()
    DeliveryPause.objects.create(
        failures=1, since=now - 3 * DAY, until=now - 2 * DAY, reason="down"
    )
    cancel([mail])
    deliver_due()
    assert outbox_health().paused_until is None
