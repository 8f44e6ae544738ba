"""Many processes empty one outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation import signals
from invitation.flows import inviting, upkeep
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail, make_user
from tests.races.arena import Arena, count
from tests.races.people import fresh
from tests.scenes import received

pytestmark = pytest.mark.django_db(transaction=True)

#: As many senders as a site might run, and what they find.
SENDERS, MAILS, ROUNDS = 8, 200, 2


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def fill_outbox(inviter: Any, number: int, **fields: Any) -> None:
    """Queue so many emails, each of an invitation of its own."""
    InvitationKey.objects.all().delete()
    InvitationKey.objects.bulk_create(
        InvitationKey(
            from_user=inviter,
            email=f"person{index}@example.org",
            email_key=f"person{index}@example.org",
            expires_at=timezone.now() + timedelta(days=1),
            **fields,
        )
        for index in range(number)
    )
    InvitationEmail.objects.bulk_create(
        InvitationEmail(invitation=row) for row in InvitationKey.objects.all()
    )


def test_each_mail_is_sent_by_one_sender(
    arena: Arena, inviter: Any, dummy_delivery: list[Any]
) -> None:
    senders = min(SENDERS, arena.threads)
    mails = MAILS * senders // SENDERS

    def before(number: int) -> None:
        fill_outbox(inviter, mails)
        dummy_delivery.clear()

    def after(stage: None, outcomes: list[tuple[int, int]]) -> None:
        assert sum(sent for sent, _ in outcomes) == mails
        assert sum(unsent for _, unsent in outcomes) == 0
        assert len(dummy_delivery) == len({mail.pk for mail in dummy_delivery}) == mails
        rows = InvitationEmail.objects.filter(state="sent", attempts=1, lease_until=None)
        assert rows.count() == mails

    with received(signals.invitation_sent) as sent:
        replace(arena, threads=senders, rounds=ROUNDS).race(
            [lambda stage, _: deliver_due()], before=before, after=after
        )
    assert len(sent) == mails * ROUNDS


def test_mails_of_invitations_that_are_deleted_meanwhile(
    short_arena: Arena, inviter: Any, dummy_delivery: list[Any]
) -> None:
    def before(number: int) -> None:
        ended = timezone.now() - timedelta(seconds=1)
        fill_outbox(inviter, 12, status="revoked", ended_at=ended)

    def after(stage: None, outcomes: list[Any]) -> None:
        assert sum(deleted for deleted in outcomes if isinstance(deleted, int)) == 12
        assert not InvitationKey.objects.exists()
        assert not InvitationEmail.objects.exists()
        assert dummy_delivery == []

    short_arena.race(
        [lambda stage, _: deliver_due(), lambda stage, number: upkeep.purge(number % 5 + 1)],
        before=before,
        after=after,
    )


def test_a_mail_that_is_asked_for_many_times_is_sent_once(
    short_arena: Arena, inviter: Any, dummy_delivery: list[Any]
) -> None:
    def before(number: int) -> InvitationKey:
        dummy_delivery.clear()
        return make_invitation(inviter, f"round{number}@example.org")

    def resend(invitation: InvitationKey, number: int) -> str:
        inviting.resend(fresh(invitation))
        return "mailed"

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"mailed": 1, "mail_too_soon": short_arena.threads - 1}
        assert [mail.invitation for mail in dummy_delivery] == [invitation]

    short_arena.race([resend], before=before, after=after)


def test_a_mail_that_waits_is_not_sent_twice_by_who_asks_and_who_delivers(
    short_arena: Arena, inviter: Any, settings: Any, dummy_delivery: list[Any]
) -> None:
    settings.INVITATION_RESEND_COOLDOWN = timedelta(days=1)

    def before(number: int) -> InvitationKey:
        dummy_delivery.clear()
        invitation = make_invitation(inviter, f"round{number}@example.org")
        make_mail(invitation)
        return invitation

    def resend(invitation: InvitationKey, number: int) -> None:
        inviting.resend(fresh(invitation))

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        # Who asks while a sender has the email, or after it has gone, is sent another one.
        mails = [mail.pk for mail in dummy_delivery]
        assert len(mails) == len(set(mails))
        assert len(mails) in (1, 2)
        assert InvitationEmail.objects.filter(state="sent").count() >= len(mails)
        assert not InvitationEmail.objects.exclude(state="sent").exists()

    short_arena.race([resend, lambda invitation, _: deliver_due()], before=before, after=after)
