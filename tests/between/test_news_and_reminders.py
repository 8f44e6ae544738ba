"""News to inviters and reminders: what stands in the way of one, or of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from invitation.delivery.background import BackgroundDelivery
from invitation.delivery.dummy import DummyDelivery
from invitation.flows import privacy, upkeep
from invitation.flows.mail import deliver_due, remind, suppress
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user
from tests.scenes import statements

pytestmark = pytest.mark.django_db

OUTBOX = "invitation.delivery.outbox.OutboxDelivery"
OVERDUE = timedelta(seconds=-5)
Kind, State = InvitationEmail.Kind, InvitationEmail.State


@pytest.fixture(autouse=True)
def dummy(settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    DummyDelivery.outbox.clear()


# -- news --


def raises_for_ann(user: Any) -> list[str]:
    """Be a rule that fails for one member."""
    if user.get_username() == "ann":
        raise LookupError("no profile")
    return ["expired"]


def hangs_up(user: Any) -> list[str]:
    """Be a rule that finds the database gone."""
    raise OperationalError("gone")


def no_news(user: Any) -> None:
    """Be a rule that forgot to return a list: whether a kind is in it cannot be asked."""


def test_of_those_that_expired_with_one_who_was_forgotten_the_inviter_is_still_told(
    settings: Any,
) -> None:
    """One email names them all, and hangs on the invitation that expired first."""
    settings.INVITATION_NOTIFY_INVITER = ("expired",)
    settings.INVITATION_RETENTION_DAYS = 30
    ann = make_user("ann")
    for number in range(3):
        make_invitation(ann, f"p{number}@example.org", left=OVERDUE)
    upkeep.expire()
    privacy.forget(InvitationEmail.objects.get(kind=Kind.EXPIRED).invitation.email)
    # Whether the email that waits still goes, or the next cleanup asks for another.
    deliver_due()
    upkeep.expire()
    deliver_due()
    assert [mail.kind for mail in DummyDelivery.outbox].count(Kind.EXPIRED) == 1


@pytest.mark.parametrize("reason", ["bounced", "complained"])
def test_an_inviter_whose_address_takes_no_mail_gets_no_news(settings: Any, reason: str) -> None:
    settings.INVITATION_NOTIFY_INVITER = ("accepted",)
    ann = make_user("ann", email="ann@example.com")
    accepted = make_invitation(ann, status=InvitationKey.Status.ACCEPTED, uses=1)
    mail = make_mail(accepted, kind=Kind.ACCEPTED)
    suppress("ann@example.com", reason)
    deliver_due()
    mail.refresh_from_db()
    assert mail.state != State.SENT


def test_a_rule_on_news_that_fails_does_not_keep_invitations_from_expiring(settings: Any) -> None:
    """If it raised here, nothing that comes after it in the cleanup would be done either."""
    settings.INVITATION_NOTIFY_INVITER = no_news
    make_invitation(make_user("ann"), left=OVERDUE)
    upkeep.expire()


def test_a_rule_on_news_that_raises_is_reported_and_the_others_are_told(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INVITATION_NOTIFY_INVITER = raises_for_ann
    for name in ("ann", "ben"):
        make_invitation(make_user(name), f"{name}s-guest@example.org", left=OVERDUE)
    upkeep.expire()
    told = InvitationEmail.objects.filter(kind=InvitationEmail.Kind.EXPIRED)
    assert [mail.invitation.from_user.get_username() for mail in told] == ["ben"]  # type: ignore[union-attr]
    assert "INVITATION_NOTIFY_INVITER has failed" in caplog.text


def test_a_database_that_hangs_up_in_a_rule_is_no_fault_of_the_rule(settings: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = hangs_up
    make_invitation(make_user("ann"), left=OVERDUE)
    with pytest.raises(OperationalError):
        upkeep.expire()


def test_the_cleanup_gets_past_news_of_a_site_that_is_gone(settings: Any) -> None:
    """No address of a page can be made for it; the command does not end with an error."""
    settings.INVITATION_BASE_URL = None
    settings.INVITATION_NOTIFY_INVITER = ("expired",)
    make_invitation(make_user("ann"), site_id=99, left=OVERDUE)
    call_command("cleanupinvitation", verbosity=0)


# -- reminders --


class DeadBroker(BackgroundDelivery):
    """Be handed tasks, and find each time that nobody takes them."""

    asked: ClassVar[list[Sequence[list[int]]]] = []

    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        self.asked.append(batches)
        raise OSError("no answer within two seconds")

    def find_fault(self, task: Any) -> str:
        return ""

    def find_shortcut(self, task: Any) -> str:
        return ""


def invite_long_ago(number: int) -> None:
    """Let so many invitations be there of which each is due for its reminder."""
    ann, past = make_user("ann"), timezone.now() - 5 * DAY
    for at in range(number):
        invitation = make_invitation(ann, f"p{at}@example{at}.org", mail_requested_at=past)
        make_mail(invitation, state=State.SENT, sent_at=past)


def test_a_broker_that_is_dead_is_asked_once_for_all_reminders(settings: Any, commit: Any) -> None:
    """It may hang, and then takes its time for each question."""
    settings.INVITATION_DELIVERY = f"{__name__}.DeadBroker"
    settings.INVITATION_REMINDER_DAYS = 3
    invite_long_ago(30)
    DeadBroker.asked.clear()
    with commit():
        assert remind() == 30
    assert len(DeadBroker.asked) <= 1


def test_where_the_site_may_send_no_more_a_reminder_costs_no_transaction_of_its_own(
    settings: Any,
) -> None:
    """All of them are looked at again in each round of sending, until there is room."""
    settings.INVITATION_DELIVERY = OUTBOX
    settings.INVITATION_REMINDER_DAYS = 3
    settings.INVITATION_LIMITS = {"site": 0}
    invite_long_ago(100)
    with statements() as asked:
        assert remind() == 0
    assert len(asked) < 50
