"""Reminding: once, in time, and nobody who has answered or is not to be emailed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone as clock

from invitation.delivery.dummy import DummyDelivery
from invitation.flows import arriving, inviting
from invitation.flows.mail import deliver_due, remind
from invitation.flows.mail import reminders as reminders_module
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user, open_it, register

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 5, 6, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


class Handing(DummyDelivery):
    """Stand for a delivery that lets a worker send, and tells it when."""

    immediate = False
    told: ClassVar[list[tuple[list[int], Any]]] = []

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        """Remember it."""
        self.told.append((list(pks), not_before))


@pytest.fixture(autouse=True)
def _two_days_before(settings: Any) -> Any:
    settings.INVITATION_REMINDER_DAYS = 2
    with time_machine.travel(NOON, tick=False):
        yield


def mailed(inviter: Any = None, *, ago: timedelta = 6 * DAY, **fields: Any) -> InvitationKey:
    """Return an invitation whose email left some time ago; it has a day left."""
    sent_at = clock.now() - ago
    fields.setdefault("mail_requested_at", sent_at)
    invitation = make_invitation(inviter, **fields)
    make_mail(invitation, state="sent", sent_at=sent_at, created_at=sent_at)
    return invitation


def reminders() -> list[InvitationEmail]:
    return list(InvitationEmail.objects.filter(kind="reminder").order_by("pk"))


def test_who_has_not_answered_is_reminded_when_little_time_is_left(member: Any) -> None:
    invitation = mailed(member)
    assert remind() == 1
    [mail] = reminders()
    assert (mail.invitation, mail.state, mail.not_before) == (invitation, "queued", NOON)
    assert mail.header_id
    invitation.refresh_from_db()
    assert invitation.reminded_at == invitation.mail_requested_at == NOON


def test_nobody_is_by_default(settings: Any, member: Any) -> None:
    del settings.INVITATION_REMINDER_DAYS
    mailed(member)
    assert remind() == 0
    assert reminders() == []


def test_nobody_is_reminded_twice(member: Any) -> None:
    mailed(member)
    assert [remind(), remind(), remind(NOON + 20 * HOUR)] == [1, 0, 0]
    assert len(reminders()) == 1


def test_nobody_is_again_after_an_extension(member: Any) -> None:
    invitation = mailed(member)
    remind()
    InvitationEmail.objects.update(state="sent", sent_at=NOON)
    inviting.extend(invitation)
    with time_machine.travel(NOON + 6 * DAY, tick=False):
        assert remind() == 0


def test_one_that_is_extended_before_is_reminded_of_its_new_end(member: Any) -> None:
    invitation = mailed(member)
    inviting.extend(invitation)
    assert remind() == 0
    assert remind(NOON + 6 * DAY) == 1


def test_after_a_new_link_the_reminder_carries_that_one(
    member: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = mailed(member)
    old = invitation.mail_key
    inviting.change_link(invitation)
    remind()
    deliver_due()
    assert outbox[0].invitation.mail_key == invitation.mail_key != old


ENDED: dict[str, Any] = {
    "has more time": {"left": 2 * DAY + timedelta(seconds=1)},
    "never ends": {"left": None},
    "has run out": {"left": timedelta()},
    "accepted": {"status": "accepted", "uses": 1},
    "declined": {"status": "declined"},
    "revoked": {"status": "revoked"},
    "has no address": {"email": ""},
    "is shared": {"shared": True, "max_uses": 5},
    "is paused": {"paused_at": NOON},
    "was reminded": {"reminded_at": NOON - HOUR},
}


@pytest.mark.parametrize("fields", ENDED.values(), ids=ENDED.keys())
def test_nobody_is_whose_invitation(member: Any, fields: dict[str, Any]) -> None:
    mailed(member, **fields)
    assert remind() == 0
    assert reminders() == []


def test_nobody_is_who_was_never_mailed(member: Any) -> None:
    make_invitation(member, mail_requested_at=NOON - 6 * DAY)
    assert remind() == 0


@pytest.mark.parametrize("state", ["queued", "sending", "failed", "cancelled"])
def test_nobody_is_whose_mail_has_not_left(member: Any, state: str) -> None:
    mailed(member)
    InvitationEmail.objects.update(state=state)
    assert remind() == 0


def test_nobody_is_while_a_second_mail_waits(member: Any) -> None:
    make_mail(mailed(member))
    assert remind() == 0


def test_a_request_to_the_inviter_counts_for_nothing(member: Any) -> None:
    make_mail(mailed(member), kind="renewal")
    assert remind() == 1


def test_nobody_is_within_the_cool_down(settings: Any, member: Any) -> None:
    settings.INVITATION_RESEND_COOLDOWN = 2 * DAY
    mailed(member, ago=2 * DAY - timedelta(seconds=1), left=HOUR)
    assert remind() == 0
    assert remind(NOON + timedelta(seconds=1)) == 1


def test_nobody_is_whose_mail_left_late(settings: Any, member: Any) -> None:
    settings.INVITATION_RESEND_COOLDOWN = HOUR
    mailed(member)
    InvitationEmail.objects.update(sent_at=NOON - HOUR + timedelta(seconds=1))
    assert remind() == 0


def test_nobody_is_before_half_of_the_time_is_over(member: Any) -> None:
    mailed(member, ago=HOUR, left=HOUR + timedelta(seconds=2))
    assert remind() == 0
    assert remind(NOON + timedelta(seconds=1)) == 1


def test_it_counts_for_the_cool_down(member: Any) -> None:
    invitation = mailed(member)
    remind()
    assert not InvitationKey.objects.request_mail(invitation.pk, NOON, HOUR)


@pytest.mark.parametrize(("required", "number"), [(True, 0), (False, 1)])
def test_an_inviter_who_is_not_active_keeps_it_back(
    settings: Any, member: Any, required: bool, number: int
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = required
    member.is_active = False
    member.save()
    mailed(member)
    assert remind() == number


def test_one_of_nobody_is_reminded_of_too() -> None:
    mailed(None)
    assert remind() == 1


def test_it_works_in_batches(member: Any, django_assert_num_queries: Any) -> None:
    for number in range(5):
        mailed(member, email=f"g{number}@example.org")
    # Three of two rows at most and an empty one, and what room there is for each of the three; for
    # each row a savepoint, the note, three for the limits, the email's row and its release.
    with django_assert_num_queries(4 + 3 + 5 * 7):
        assert remind(batch_size=2) == 5
    assert len(reminders()) == 5


def test_whoever_comes_first_writes_the_mail(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    invitation = mailed(member)
    half_over = reminders_module._is_half_over

    def race(*args: Any) -> bool:
        InvitationKey.objects.filter(pk=invitation.pk).update(reminded_at=NOON)
        return half_over(*args)

    monkeypatch.setattr(reminders_module, "_is_half_over", race)
    assert remind() == 0
    assert reminders() == []


def test_one_mail_too_many_is_tried_by_the_next_run(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mailed(member, email="a@example.org")
    mailed(member, email="b@example.org")
    queue_mail = reminders_module.queue_mail

    def limited(invitation: InvitationKey, *args: Any, **options: Any) -> bool:
        return invitation != first and queue_mail(invitation, *args, **options)

    monkeypatch.setattr(reminders_module, "queue_mail", limited)
    assert remind() == 1
    first.refresh_from_db()
    assert first.reminded_at is None
    monkeypatch.undo()
    assert remind() == 1
    assert len(reminders()) == 2


def test_the_mail_is_not_sent_before_the_others_that_wait(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    mailed(member)
    with commit():
        remind()
    assert outbox == []
    assert deliver_due() == (1, 0)
    assert [mail.kind for mail in outbox] == ["reminder"]


def test_a_worker_is_told_that_it_waits(settings: Any, member: Any, commit: Any) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.Handing"
    Handing.told.clear()
    mailed(member)
    with commit():
        remind()
    assert Handing.told == [([reminders()[0].pk], NOON)]


@pytest.mark.parametrize("end", ["accepted", "declined", "revoked", "run out"])
def test_who_has_answered_meanwhile_is_left_alone(
    member: Any, outbox: list[InvitationEmail], end: str
) -> None:
    invitation = mailed(member)
    remind()
    if end == "accepted":
        register(invitation)
    elif end == "declined":
        arriving.decline(open_it(invitation))
    elif end == "revoked":
        inviting.revoke(invitation)
    with time_machine.travel(NOON + (2 * DAY if end == "run out" else HOUR), tick=False):
        assert deliver_due() == (0, 1)
    assert outbox == []
    assert reminders()[0].failure == "pointless"


def test_an_address_that_is_blocked_meanwhile_gets_none(
    settings: Any, member: Any, outbox: list[InvitationEmail]
) -> None:
    mailed(member)
    remind()
    settings.INVITATION_BLOCKED_RECIPIENTS = ["example.org"]
    assert deliver_due() == (0, 1)
    assert reminders()[0].failure == "blocked"


def test_sendinvitations_asks_for_them_and_sends_them(
    member: Any, outbox: list[InvitationEmail], capsys: Any
) -> None:
    mailed(member)
    call_command("sendinvitations")
    assert [mail.kind for mail in outbox] == ["reminder"]
    assert "Reminders: 1.\nSent: 1" in capsys.readouterr().out
    call_command("sendinvitations", verbosity=0)
    assert capsys.readouterr().out == ""


def test_sendinvitations_says_nothing_of_reminders_that_there_are_none(capsys: Any) -> None:
    call_command("sendinvitations")
    assert "Reminders" not in capsys.readouterr().out


def test_sendinvitations_can_be_told_to_be_quiet(member: Any, capsys: Any) -> None:
    mailed(make_user("quiet"))
    call_command("sendinvitations", verbosity=0)
    assert capsys.readouterr().out == ""
    assert len(reminders()) == 1
