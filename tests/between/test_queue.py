"""The queue: one email that cannot be written or sent takes nothing from the others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.delivery.email import EmailDelivery
from invitation.exceptions import InvitationError
from invitation.flows import inviting, mail
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

DUMMY = "invitation.delivery.dummy.DummyDelivery"
OUTBOX = "invitation.delivery.outbox.OutboxDelivery"
State = InvitationEmail.State


@pytest.fixture(autouse=True)
def dummy(settings: Any) -> None:
    settings.INVITATION_DELIVERY = DUMMY
    DummyDelivery.outbox.clear()


# -- rules and deliveries of the site that raise --


def no_news(user: Any) -> None:
    """Be a rule that forgot to return a list: whether a kind is in it cannot be asked."""


def directory_is_down(email: str) -> bool:
    """Be a rule that finds out nothing about some addresses."""
    if email.startswith("poison"):
        raise RuntimeError("the directory is down")
    return False


class BatchesUnprepared(DummyDelivery):
    """Be able to send, but not to look up what a batch needs."""

    def prepare(self, emails: Sequence[str]) -> None:
        raise TypeError("Lower() of an encrypted column")


def test_news_that_a_rule_cannot_judge_do_not_hold_up_the_mails_behind_them(settings: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = no_news
    ann = make_user("ann")
    accepted = make_invitation(ann, "a@example.org", status=InvitationKey.Status.ACCEPTED, uses=1)
    make_mail(accepted, kind=InvitationEmail.Kind.ACCEPTED)
    behind = make_mail(make_invitation(ann, "b@example.org"), message_id="<2@example.com>")
    mail.deliver_due()
    behind.refresh_from_db()
    assert behind.state == State.SENT


def test_a_mail_whose_rule_always_raises_is_given_up_after_ten_attempts(settings: Any) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = directory_is_down
    poison = make_mail(make_invitation(make_user("ann"), "poison@example.org"))
    rows = InvitationEmail.objects.filter(pk=poison.pk)
    for _ in range(15):
        # Due again at once, also if its sender has left it behind.
        rows.update(not_before=timezone.now())
        rows.filter(state=State.SENDING).update(lease_until=timezone.now())
        with suppress(RuntimeError):
            mail.deliver_due()
    poison.refresh_from_db()
    assert (poison.state, poison.attempts) == (State.FAILED, 10)


def test_a_batch_that_could_not_be_prepared_is_sent_all_the_same(settings: Any) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.BatchesUnprepared"
    ann = make_user("ann")
    for number in range(3):
        invitation = make_invitation(ann, f"p{number}@example.org")
        make_mail(invitation, message_id=f"<{number}@example.com>")
    assert mail.deliver_due() == (3, 0)


@pytest.mark.parametrize("where", ["prepare", "send"])
def test_a_database_that_is_gone_is_no_fault_of_a_mail(
    settings: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def gone(*args: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(DummyDelivery, where, gone)
    ann = make_user("ann")
    for number in range(2):
        make_mail(make_invitation(ann, f"p{number}@example.org"))
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    with pytest.raises(OperationalError):
        mail.deliver_due()
    assert not InvitationEmail.objects.exclude(failure="").exists()


def test_a_delivery_that_only_rehearses_hangs_up_again() -> None:
    delivery = EmailDelivery()
    delivery.rehearse(make_mail())
    assert delivery._connection is None


# -- a site that is gone --


def test_the_command_sends_the_mails_of_other_sites_than_one_that_is_gone(settings: Any) -> None:
    """A reminder for it is due, too, and no address of a link can be made for it."""
    settings.INVITATION_BASE_URL = None
    settings.INVITATION_REMINDER_DAYS = 3
    ann, past = make_user("ann"), timezone.now() - 5 * DAY
    gone = make_invitation(ann, "gone@example.org", site_id=99, mail_requested_at=past)
    make_mail(gone, state=State.SENT, sent_at=past)
    other = make_mail(make_invitation(ann, "good@example.org"), message_id="<2@example.com>")
    call_command("sendinvitations", verbosity=0)
    other.refresh_from_db()
    assert other.state == State.SENT


# -- one email for one invitation --


def test_resending_writes_no_second_mail_while_a_sender_holds_the_first(settings: Any) -> None:
    """It was queued with a list, waited for longer than the cool-down, and was just leased."""
    settings.INVITATION_DELIVERY = OUTBOX
    past = timezone.now() - timedelta(minutes=10)
    invitation = make_invitation(make_user("ann"), mail_requested_at=past)
    make_mail(invitation, created_at=past, not_before=past)
    [_held] = InvitationEmail.objects.lease_batch(50, timezone.now())
    with suppress(InvitationError):  # whether it is refused is not what matters here
        inviting.resend(invitation)
    unsent = InvitationEmail.objects.filter(state__in=(State.QUEUED, State.SENDING))
    assert unsent.count() == 1


def test_retrying_does_not_queue_a_mail_that_a_newer_one_has_replaced(settings: Any) -> None:
    settings.INVITATION_DELIVERY = OUTBOX
    past = timezone.now() - timedelta(hours=1)
    invitation = make_invitation(make_user("ann"), mail_requested_at=past)
    old = make_mail(invitation)
    mail.cancel([old])
    inviting.resend(invitation)
    new = InvitationEmail.objects.exclude(pk=old.pk).get()
    InvitationEmail.objects.filter(pk=new.pk).update(state=State.SENT, sent_at=timezone.now())
    mail.retry(InvitationEmail.objects.filter(state__in=(State.FAILED, State.CANCELLED)))
    assert not InvitationEmail.objects.filter(state=State.QUEUED).exists()


# -- the way out --


def test_a_mail_that_is_not_sent_after_all_lets_the_next_one_try_the_way_out(
    settings: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was its turn to find out whether the way is open, but its recipient wants no email."""
    monkeypatch.setattr("invitation.flows.mail.timing.wait", lambda *spent, **kind: None)
    now = timezone.now()
    DeliveryPause.objects.create(
        failures=1, since=now - timedelta(hours=1), until=now - timedelta(seconds=1), reason="down"
    )
    mail.suppress("bob@example.org")
    with commit():
        inviting.invite(make_user("ann"), "bob@example.org")
    assert InvitationEmail.objects.get().state == State.SUPPRESSED
    assert DeliveryPause.objects.get().until <= timezone.now()
